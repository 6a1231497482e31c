//! Reading JSON to the letter of RFC 8259, halves of characters included, with bounds on nesting and numbers.

use super::{Json, NESTING_MAX, Object, Utf16};
use crate::ot::OtError;

impl Json {
    /// Reads one value, which is all there is.
    ///
    /// # Errors
    /// The text is no JSON, is nested deeper than [`NESTING_MAX`], or has a number that no double can hold.
    pub fn read(text: &str) -> Result<Self, OtError> {
        let mut reader = Reader { text, at: 0 };
        let json = reader.value(0)?;
        reader.blank();
        match reader.peek() {
            None => Ok(json),
            Some(_) => Err(reader.error("something follows the value")),
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Result<Json, OtError> {
        self.blank();
        match self.peek() {
            Some(b'{' | b'[') if depth == NESTING_MAX => Err(self.error("nested too deep")),
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1),
            Some(b'"') => Ok(Json::String(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            Some(_) => Err(self.error("expected a value")),
            None => Err(self.error("ends where a value is expected")),
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json, OtError> {
        self.at += 1;
        let mut items = Vec::new();
        if !self.closes(b']') {
            loop {
                items.push(self.value(depth)?);
                if !self.goes_on(b']')? {
                    break;
                }
            }
        }
        Ok(items.into())
    }

    fn object(&mut self, depth: usize) -> Result<Json, OtError> {
        self.at += 1;
        let mut members = Vec::new();
        if !self.closes(b'}') {
            loop {
                members.push(self.member(depth)?);
                if !self.goes_on(b'}')? {
                    break;
                }
            }
        }
        Ok(Object::new(members).into())
    }

    fn member(&mut self, depth: usize) -> Result<(Utf16, Json), OtError> {
        self.blank();
        if self.peek() != Some(b'"') {
            return Err(self.error("expected the name of a member"));
        }
        let name = self.string()?;
        self.blank();
        if !self.eat(b':') {
            return Err(self.error("expected a colon"));
        }
        Ok((name, self.value(depth)?))
    }

    fn closes(&mut self, end: u8) -> bool {
        self.blank();
        self.eat(end)
    }

    fn goes_on(&mut self, end: u8) -> Result<bool, OtError> {
        self.blank();
        if self.eat(end) {
            return Ok(false);
        }
        if self.eat(b',') {
            return Ok(true);
        }
        Err(self.error("expected a comma or the end of a list or object"))
    }

    fn string(&mut self) -> Result<Utf16, OtError> {
        self.at += 1;
        let mut cells = Vec::new();
        loop {
            cells.extend(self.plain().encode_utf16());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(cells.into());
                }
                Some(b'\\') => cells.push(self.escape()?),
                Some(_) => return Err(self.error("control character in a string")),
                None => return Err(self.error("string does not end")),
            }
        }
    }

    /// What stands for itself.
    fn plain(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let end = rest
            .bytes()
            .position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f))
            .unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn escape(&mut self) -> Result<u16, OtError> {
        self.at += 1;
        let cell = match self.peek() {
            Some(letter @ (b'"' | b'\\' | b'/')) => letter,
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => return self.code(),
            _ => return Err(self.error("unknown escape")),
        };
        self.at += 1;
        Ok(u16::from(cell))
    }

    fn code(&mut self) -> Result<u16, OtError> {
        let digits = self.text.as_bytes().get(self.at + 1..self.at + 5);
        let cell = digits
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u16::from_str_radix(digits, 16).ok());
        match cell {
            Some(cell) => {
                self.at += 5;
                Ok(cell)
            }
            None => Err(self.error("expected four hexadecimal digits")),
        }
    }

    fn number(&mut self) -> Result<Json, OtError> {
        let start = self.at;
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _ = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        match self.text[start..self.at].parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Json::Number(number)),
            _ => Err(OtError::NotJson {
                at: start,
                what: "number out of range",
            }),
        }
    }

    fn digits(&mut self) -> Result<(), OtError> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        match self.at == start {
            true => Err(self.error("expected a digit")),
            false => Ok(()),
        }
    }

    fn word(&mut self, word: &str, meaning: Json) -> Result<Json, OtError> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.error("expected a value"));
        }
        self.at += word.len();
        Ok(meaning)
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn error(&self, what: &'static str) -> OtError {
        OtError::NotJson { at: self.at, what }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_alike() {
        for text in [
            r#"{"a":[1,-2.5,1e+30,true,false,null],"b":{"":""},"é😀":"\u0000"}"#,
            r#"["\ud83d","\ude00\ud83d","😀"]"#,
            "[]",
            "{}",
            "7",
        ] {
            assert_eq!(Json::read(text).unwrap().write(), text);
        }
        let spaced = " { \"a\" : [ 1 , 2 ] ,\n\t\"b\":\"\\ud83d\\ude00\\/\" } ";
        assert_eq!(
            Json::read(spaced).unwrap().write(),
            r#"{"a":[1,2],"b":"😀/"}"#
        );
    }

    #[test]
    fn what_is_no_json_is_refused_where_it_goes_wrong() {
        for (text, at) in [
            ("", 0),
            ("[1,]", 3),
            ("[1 2]", 3),
            ("{\"a\"}", 4),
            ("{a:1}", 1),
            ("01", 1),
            ("-", 1),
            ("1.", 2),
            ("1e", 2),
            ("1e999", 0),
            ("\"a\nb\"", 2),
            ("\"\\x\"", 2),
            ("\"\\u12g4\"", 2),
            ("\"\\u+123\"", 2),
            ("\"abc", 4),
            ("nul", 0),
            ("null null", 5),
        ] {
            match Json::read(text) {
                Err(OtError::NotJson { at: found, .. }) => assert_eq!(found, at, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(
            Json::read(&nested(NESTING_MAX)).unwrap().depth(),
            NESTING_MAX
        );
        assert!(Json::read(&nested(NESTING_MAX + 1)).is_err());
        assert!(Json::read(&"[".repeat(10_000_000)).is_err());
    }
}
