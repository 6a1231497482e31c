//! Writing JSON to the byte as `JSON.stringify` does: the same escapes, the same digits, halves of characters escaped.
//! Members stand in their order or, to be compared, in that of their names.

use std::fmt::Write as _;

use super::{Json, Object, Utf16};

impl Json {
    /// The value as JSON text.
    pub fn write(&self) -> String {
        self.write_in(Members::AsTheyStand)
    }

    /// The value as JSON text that is the same for all that hold the same: members stand in the order of their names, as
    /// JavaScript sorts them, which is by UTF-16 cells (RFC 8785). Unlike there, halves of characters are escaped.
    pub fn write_canonical(&self) -> String {
        self.write_in(Members::ByName)
    }

    fn write_in(&self, order: Members) -> String {
        let mut out = String::new();
        value(self, order, &mut out);
        out
    }
}

/// In which order members are written.
#[derive(Clone, Copy)]
enum Members {
    AsTheyStand,
    ByName,
}

fn value(json: &Json, order: Members, out: &mut String) {
    match json {
        Json::Null => out.push_str("null"),
        Json::Bool(true) => out.push_str("true"),
        Json::Bool(false) => out.push_str("false"),
        Json::Number(number) => digits(*number, out),
        Json::String(text) => string(text, out),
        Json::Array(items) => array(items, order, out),
        Json::Object(members) => object(members, order, out),
    }
}

fn array(items: &[Json], order: Members, out: &mut String) {
    out.push('[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        value(item, order, out);
    }
    out.push(']');
}

fn object(object: &Object, order: Members, out: &mut String) {
    out.push('{');
    match order {
        Members::AsTheyStand => members(object.iter(), order, out),
        Members::ByName => members(object.by_name(), order, out),
    }
    out.push('}');
}

fn members<'a>(
    members: impl Iterator<Item = (&'a Utf16, &'a Json)>,
    order: Members,
    out: &mut String,
) {
    for (at, (name, member)) in members.enumerate() {
        if at > 0 {
            out.push(',');
        }
        string(name, out);
        out.push(':');
        value(member, order, out);
    }
}

fn string(text: &Utf16, out: &mut String) {
    out.push('"');
    for read in char::decode_utf16(text.cells().iter().copied()) {
        match read {
            Ok(character) => escaped(character, out),
            Err(half) => code(half.unpaired_surrogate(), out),
        }
    }
    out.push('"');
}

fn escaped(character: char, out: &mut String) {
    match character {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\0'..='\u{1f}' => code(character as u16, out),
        _ => out.push(character),
    }
}

fn code(cell: u16, out: &mut String) {
    write!(out, "\\u{cell:04x}").expect("a string takes all");
}

/// ECMAScript's `Number::toString`: the fewest digits that read back as this number, with a point or an exponent where
/// it would need more than 21 digits before the point or six zeros after it.
fn digits(number: f64, out: &mut String) {
    if number == 0.0 {
        return out.push('0');
    }
    if number < 0.0 {
        out.push('-');
    }
    let scientific = format!("{:e}", number.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits = mantissa.replace('.', "");
    let point = exponent.parse::<i32>().unwrap_or(0) + 1;
    match point {
        1..=21 => plain(&digits, point as usize, out),
        -5..=0 => {
            out.push_str("0.");
            out.extend(std::iter::repeat_n('0', -point as usize));
            out.push_str(&digits);
        }
        _ => exponential(&digits, point - 1, out),
    }
}

fn plain(digits: &str, point: usize, out: &mut String) {
    match digits.split_at_checked(point) {
        Some((whole, "")) => out.push_str(whole),
        Some((whole, rest)) => out.extend([whole, ".", rest]),
        None => {
            out.push_str(digits);
            out.extend(std::iter::repeat_n('0', point - digits.len()));
        }
    }
}

fn exponential(digits: &str, exponent: i32, out: &mut String) {
    let (first, rest) = digits.split_at(1);
    out.push_str(first);
    if !rest.is_empty() {
        out.extend([".", rest]);
    }
    write!(out, "e{exponent:+}").expect("a string takes all");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_javascript_writes_them() {
        for (number, written) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (100.0, "100"),
            (0.1, "0.1"),
            (0.000001, "0.000001"),
            (0.0000015, "0.0000015"),
            (0.0000001, "1e-7"),
            (1.5e-10, "1.5e-10"),
            (123456789012345680000.0, "123456789012345680000"),
            (1e21, "1e+21"),
            (1.7976931348623157e308, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
            (9007199254740993.0, "9007199254740992"),
        ] {
            assert_eq!(Json::Number(number).write(), written);
        }
    }

    #[test]
    fn text_is_escaped_as_javascript_escapes_it() {
        let text = Utf16::from("\"\\/\u{8}\u{c}\n\r\t\u{1}\u{7f}é😀\u{2028}");
        assert_eq!(
            Json::String(text).write(),
            "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\u{7f}é😀\u{2028}\""
        );
        let halves = Utf16::from(vec![0xd83d, 0x61, 0xde00]);
        assert_eq!(Json::String(halves).write(), r#""\ud83da\ude00""#);
    }
}
