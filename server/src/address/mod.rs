//! Whose connection it is: the address of a client, also behind proxies, and whether it may come in.
//!
//! The address of the peer is what the kernel says. What a header says counts only if that peer is one of the
//! `trusted_proxies`: each proxy adds the address it was called from at the end, so the list is read from its end, and the
//! first address that is not a trusted proxy's is the client's. All before it could have been written by anybody.
//! `allow` and `deny` hold for peers when they are accepted, and again for the client of each request.

mod forwarded;
pub use forwarded::ForwardedHeader;

mod networks;
pub use networks::{MalformedNetworks, Networks};

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::http::HeaderMap;

/// Where the other end of a connection is, as the kernel says. A request carries it as an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

/// Who a request comes from. It carries this as an extension too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its address; never an IPv4 address in the form of IPv6.
    pub address: IpAddr,
    /// Whether a trusted proxy said so.
    pub is_forwarded: bool,
}

/// Whom to believe, and whom to let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressRules {
    /// Peers that say whom they speak for.
    pub trusted_proxies: Networks,
    /// How they say it.
    pub header: ForwardedHeader,
    /// Clients that may come in.
    pub allow: Networks,
    /// Clients that may not.
    pub deny: Networks,
}

/// The setting that keeps an address out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptOut {
    /// `deny` lists it.
    Denied,
    /// `allow` does not list it.
    NotAllowed,
}

impl KeptOut {
    /// The setting.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "deny",
            Self::NotAllowed => "allow",
        }
    }
}

impl AddressRules {
    /// Whether a peer may connect. A trusted proxy need not be allowed, because it speaks for others.
    ///
    /// # Errors
    /// It may not, and why.
    pub fn check_peer(&self, Peer(peer): Peer) -> Result<(), KeptOut> {
        let peer = plain(peer);
        match self.check(peer) {
            Err(KeptOut::NotAllowed) if self.trusted_proxies.contain(peer) => Ok(()),
            checked => checked,
        }
    }

    /// Whom a request comes from.
    ///
    /// # Errors
    /// The client may not come in, and why.
    pub fn client(&self, Peer(peer): Peer, headers: &HeaderMap) -> Result<Client, KeptOut> {
        let peer = plain(peer);
        let client = self.client_behind(peer, headers);
        self.check(client.address).map(|()| client)
    }

    fn client_behind(&self, peer: IpAddr, headers: &HeaderMap) -> Client {
        let mut client = Client {
            address: peer,
            is_forwarded: false,
        };
        let mut hops = self.header.hops(headers);
        while self.trusted_proxies.contain(client.address)
            && let Some(Some(before)) = hops.next()
        {
            client = Client {
                address: plain(before),
                is_forwarded: true,
            };
        }
        client
    }

    fn check(&self, address: IpAddr) -> Result<(), KeptOut> {
        if self.deny.contain(address) {
            return Err(KeptOut::Denied);
        }
        if !self.allow.contain(address) {
            return Err(KeptOut::NotAllowed);
        }
        Ok(())
    }
}

impl Client {
    /// Somebody on this machine.
    pub const LOCAL: Self = Self {
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        is_forwarded: false,
    };

    /// What its connections are counted under; none if they are not, because it is on this machine and no proxy speaks for
    /// it. One customer of a provider has 2^64 addresses of IPv6, so these are counted together.
    pub fn counted_as(self) -> Option<IpAddr> {
        if self.address.is_loopback() && !self.is_forwarded {
            return None;
        }
        Some(match self.address {
            IpAddr::V6(address) => {
                Ipv6Addr::from_bits(address.to_bits() & PREFIX_OF_A_CUSTOMER).into()
            }
            address => address,
        })
    }
}

/// An address as it is; a socket that listens for both kinds shows IPv4 as `::ffff:192.0.2.1`.
fn plain(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// The first 64 bits.
const PREFIX_OF_A_CUSTOMER: u128 = !0 << 64;

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn rules(trusted: &str, allow: &str, deny: &str) -> AddressRules {
        AddressRules {
            trusted_proxies: trusted.parse().unwrap(),
            allow: allow.parse().unwrap(),
            deny: deny.parse().unwrap(),
            header: ForwardedHeader::default(),
        }
    }

    fn client(rules: &AddressRules, peer: &str, said: &[&str]) -> Result<Client, KeptOut> {
        let mut headers = HeaderMap::new();
        for line in said {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        rules.client(Peer(ip(peer)), &headers)
    }

    fn address(rules: &AddressRules, peer: &str, said: &[&str]) -> String {
        client(rules, peer, said).unwrap().address.to_string()
    }

    #[test]
    fn only_a_trusted_proxy_speaks_for_others() {
        let rules = rules("10.0.0.0/8, 192.168.0.1", "all", "none");
        assert_eq!(address(&rules, "203.0.113.9", &["8.8.8.8"]), "203.0.113.9");
        assert_eq!(address(&rules, "10.1.2.3", &["8.8.8.8"]), "8.8.8.8");
        assert_eq!(address(&rules, "10.1.2.3", &[]), "10.1.2.3");
    }

    #[test]
    fn the_last_address_that_is_no_proxy_is_the_clients() {
        let rules = rules("10.0.0.0/8, 192.168.0.1", "all", "none");
        let said = ["1.1.1.1, 8.8.8.8", "9.9.9.9, 10.0.0.7, 192.168.0.1"];
        assert_eq!(address(&rules, "10.1.2.3", &said), "9.9.9.9");
        let spoofed = ["127.0.0.1, 10.0.0.1, 8.8.8.8"];
        assert_eq!(address(&rules, "10.1.2.3", &spoofed), "8.8.8.8");
    }

    #[test]
    fn what_is_no_address_ends_the_list() {
        let rules = rules("10.0.0.0/8", "all", "none");
        for garbage in [
            "",
            "unknown",
            "1.2.3.4.5",
            "💥",
            "8.8.8.8; DROP",
            "[::1",
            ",",
        ] {
            let line = format!("7.7.7.7, {garbage}, 10.0.0.7");
            let found = address(&rules, "10.1.2.3", &[&line]);
            assert_eq!(found, "10.0.0.7", "{garbage}");
        }
    }

    #[test]
    fn what_a_client_wrote_hides_nothing_that_a_proxy_added() {
        let rules = rules("10.0.0.0/8", "all", "none");
        let found = |line| address(&rules, "10.1.2.3", &[line]);
        assert_eq!(found("\u{1f4a5}, 8.8.8.8"), "8.8.8.8");
        let mut headers = HeaderMap::new();
        let line = HeaderValue::from_bytes(b"\xff\x80, 8.8.8.8").unwrap();
        headers.append("x-forwarded-for", line);
        let client = rules.client(Peer(ip("10.1.2.3")), &headers).unwrap();
        assert_eq!(client.address, ip("8.8.8.8"));
    }

    #[test]
    fn so_many_proxies_are_looked_through_and_no_more() {
        let rules = rules("10.0.0.0/8", "all", "none");
        let line = |hops: usize| format!("8.8.8.8{}", ", 10.0.0.7".repeat(hops));
        let found = |hops| address(&rules, "10.1.2.3", &[&line(hops)]);
        assert_eq!(found(forwarded::HOPS_MAX - 1), "8.8.8.8");
        assert_eq!(found(forwarded::HOPS_MAX), "10.0.0.7");
        assert_eq!(found(1_500), "10.0.0.7");
    }

    #[test]
    fn an_address_of_ipv4_is_the_same_in_both_forms() {
        let rules = rules("10.0.0.0/8", "all", "::ffff:198.51.100.0/120");
        let found = address(&rules, "::ffff:10.1.2.3", &["::ffff:8.8.8.8"]);
        assert_eq!(found, "8.8.8.8");
        let denied = client(&rules, "::ffff:198.51.100.7", &[]);
        assert_eq!(denied, Err(KeptOut::Denied));
    }

    #[test]
    fn allow_and_deny_hold_for_the_client_behind_the_proxy() {
        let rules = rules("10.0.0.1", "203.0.113.0/24", "203.0.113.66");
        let peer = |text| rules.check_peer(Peer(ip(text)));
        assert_eq!(peer("203.0.113.5"), Ok(()));
        assert_eq!(peer("203.0.113.66"), Err(KeptOut::Denied));
        assert_eq!(peer("198.51.100.1"), Err(KeptOut::NotAllowed));
        assert_eq!(peer("10.0.0.1"), Ok(()), "a proxy speaks for others");
        let through = |said| client(&rules, "10.0.0.1", &[said]).map(|client| client.is_forwarded);
        assert_eq!(through("203.0.113.5"), Ok(true));
        assert_eq!(through("203.0.113.66"), Err(KeptOut::Denied));
        assert_eq!(
            through("203.0.113.5, 198.51.100.1"),
            Err(KeptOut::NotAllowed)
        );
        assert_eq!(through("garbage"), Err(KeptOut::NotAllowed));
    }

    #[test]
    fn this_machine_is_counted_only_behind_a_proxy() {
        let counted = |text, is_forwarded| {
            let address = ip(text);
            Client {
                address,
                is_forwarded,
            }
            .counted_as()
        };
        assert_eq!(counted("127.0.0.1", false), None);
        assert_eq!(counted("::1", false), None);
        assert_eq!(counted("127.0.0.1", true), Some(ip("127.0.0.1")));
        assert_eq!(counted("192.0.2.1", false), Some(ip("192.0.2.1")));
        let one = counted("2001:db8:1:2::1", false);
        assert_eq!(one, counted("2001:db8:1:2:ffff::9", false));
        assert_ne!(one, counted("2001:db8:1:3::1", false));
    }
}
