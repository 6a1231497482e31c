//! A list of networks, as a setting writes it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Networks and single addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

/// It is no list of networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedNetworks;

impl Networks {
    /// Whether an address is in one of them.
    pub fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Every address.
    pub fn all() -> Self {
        Self(vec![Ipv4Net::default().into(), Ipv6Net::default().into()])
    }
}

impl FromStr for Networks {
    type Err = MalformedNetworks;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self::default()),
            "all" => Ok(Self::all()),
            list => {
                let networks = list.split(',').map(|network| parse(network.trim()));
                let networks: Option<_> = networks.collect();
                networks.map(Self).ok_or(MalformedNetworks)
            }
        }
    }
}

impl fmt::Display for MalformedNetworks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a list of networks")
    }
}

impl std::error::Error for MalformedNetworks {}

fn parse(text: &str) -> Option<IpNet> {
    let network: IpNet = match text.parse::<IpAddr>() {
        Ok(address) => address.into(),
        Err(_) => text.parse().ok()?,
    };
    Some(plain(network.trunc()))
}

/// A network of IPv4 that is written as one of IPv6 would contain nothing: addresses are compared in their own form.
fn plain(network: IpNet) -> IpNet {
    let length = network.prefix_len().checked_sub(PREFIX_OF_IPV4);
    match (network.addr().to_canonical(), length) {
        (IpAddr::V4(address), Some(length)) if network.addr().is_ipv6() => {
            mapped(address, length).unwrap_or(network)
        }
        _ => network,
    }
}

fn mapped(address: Ipv4Addr, length: u8) -> Option<IpNet> {
    Ipv4Net::new(address, length).ok().map(IpNet::V4)
}

/// The bits before an address of IPv4 in its form of IPv6.
const PREFIX_OF_IPV4: u8 = 96;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_networks_and_addresses_with_commas() {
        let networks: Networks = "10.0.0.1/8 , 192.0.2.7,2001:db8::/32".parse().unwrap();
        let within = |text: &str| networks.contain(text.parse().unwrap());
        assert!(within("10.200.0.1") && within("192.0.2.7") && within("2001:db8::9"));
        assert!(!within("192.0.2.8") && !within("2001:db9::1"));
        let all = Networks::all();
        assert_eq!("all".parse(), Ok(all.clone()));
        assert!(all.contain(IpAddr::from([203, 0, 113, 9])) && all.contain("::2".parse().unwrap()));
        assert_eq!("none".parse(), Ok(Networks::default()));
        for text in [
            "",
            "none, 10.0.0.1",
            "10.0.0.0/33",
            "localhost",
            "10.0.0.0/8,,",
            "10.0.0",
            "1/8",
        ] {
            assert_eq!(text.parse::<Networks>(), Err(MalformedNetworks), "{text}");
        }
    }
}
