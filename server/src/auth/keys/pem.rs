//! The textual form of a key (RFC 7468).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// DER with a label around it.
pub(super) fn pem(label: &str, der: &[u8]) -> String {
    let digits = STANDARD.encode(der);
    let lines = digits.as_bytes().chunks(LINE).map(String::from_utf8_lossy);
    let body: String = lines.map(|line| format!("{line}\n")).collect();
    format!("-----BEGIN {label}-----\n{body}-----END {label}-----\n")
}

const LINE: usize = 64;
