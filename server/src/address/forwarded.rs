//! What proxies say about whom they speak for: `X-Forwarded-For`, or `Forwarded` (RFC 7239). Which of the two is read is
//! a setting, because a proxy that writes one of them passes the other on as the client wrote it.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;

/// The header that trusted proxies write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For: 192.0.2.60, 198.51.100.7`
    #[default]
    XForwardedFor,
    /// `Forwarded: for=192.0.2.60, for="[2001:db8::1]:4711"`
    Forwarded,
}

impl ForwardedHeader {
    /// The addresses that proxies were called from, the last one first. None for what is no address, which may be anything:
    /// a client can write what it likes before what the first proxy adds to its line.
    pub(super) fn hops(self, headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> + '_ {
        let lines = headers.get_all(self.name()).iter().rev();
        let elements = lines.flat_map(|line| line.as_bytes().rsplit(|&byte| byte == b','));
        elements
            .map(move |element| self.address(str::from_utf8(element).ok()?.trim()))
            .take(HOPS_MAX)
    }

    fn name(self) -> &'static str {
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
        }
    }

    fn address(self, element: &str) -> Option<IpAddr> {
        match self {
            Self::XForwardedFor => node(element),
            Self::Forwarded => node(node_of(element)?),
        }
    }
}

/// What stands after `for=`, without its quotes. A quoted comma would break an element apart, but no address has one.
fn node_of(element: &str) -> Option<&str> {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, node) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    let node = node.trim();
    Some(
        node.strip_prefix('"')
            .and_then(|node| node.strip_suffix('"'))
            .unwrap_or(node),
    )
}

/// An address, perhaps with a port; one of IPv6 may be in brackets.
fn node(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address.ip());
    }
    text.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

/// As many proxies as anybody has in a row; more are not looked through.
pub(super) const HOPS_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn hops(header: ForwardedHeader, lines: &[&str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header.name(), line.parse().unwrap());
        }
        let shown = |hop: Option<IpAddr>| hop.map_or_else(String::new, |hop| hop.to_string());
        header.hops(&headers).map(shown).collect()
    }

    #[test]
    fn a_list_is_read_from_its_end_over_all_lines() {
        let lines = ["192.0.2.1,192.0.2.2:80", "[2001:db8::1]:80 , [2001:db8::2]"];
        let read = hops(ForwardedHeader::XForwardedFor, &lines);
        let last_first = ["2001:db8::2", "2001:db8::1", "192.0.2.2", "192.0.2.1"];
        assert_eq!(read, last_first);
    }

    #[test]
    fn the_standard_header_is_read_as_rfc_7239_has_it() {
        let lines = [
            "for=192.0.2.43, For=\"[2001:db8:cafe::17]:4711\"",
            "for=192.0.2.60;proto=http;by=203.0.113.43, by=10.0.0.1 ; for=198.51.100.17",
            "for=unknown, for=_hidden, proto=https, for=\"",
        ];
        let read = hops(ForwardedHeader::Forwarded, &lines);
        let addresses = [
            "198.51.100.17",
            "192.0.2.60",
            "2001:db8:cafe::17",
            "192.0.2.43",
        ];
        assert_eq!(read[..4], [""; 4]);
        assert_eq!(read[4..], addresses);
    }
}
