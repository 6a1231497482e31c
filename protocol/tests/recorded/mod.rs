//! Conversations that were recorded with unmodified clients, as the files under `golden/` have them.

use std::collections::HashMap;
use std::path::Path;

use bytes::Bytes;

/// One recorded conversation: its address, its frames, and the bytes that they are made of.
pub(crate) struct Golden {
    pub(crate) address: Option<String>,
    pub(crate) client: HashMap<String, Bytes>,
    pub(crate) server: HashMap<String, Bytes>,
    parts: HashMap<String, Bytes>,
}

impl Golden {
    pub(crate) fn load(name: &str) -> Self {
        let mut golden = Self {
            address: None,
            client: HashMap::new(),
            server: HashMap::new(),
            parts: HashMap::new(),
        };
        for line in text(name).lines().filter(|line| !line.starts_with('#')) {
            golden.line(line);
        }
        golden
    }

    fn line(&mut self, line: &str) {
        let fields: Vec<_> = line.splitn(3, ' ').collect();
        let [mark, label, value] = fields[..] else {
            panic!("odd line: {line}");
        };
        let frames = match mark {
            "@" => return self.address = Some(value.to_owned()),
            ">" => &mut self.client,
            "<" => &mut self.server,
            "=" => &mut self.parts,
            _ => panic!("odd mark: {line}"),
        };
        assert!(frames.insert(label.to_owned(), unhex(value)).is_none());
    }

    pub(crate) fn part(&self, label: &str) -> Bytes {
        self.parts[label].clone()
    }
}

fn text(name: &str) -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    std::fs::read_to_string(directory.join(format!("{name}.txt"))).unwrap()
}

fn unhex(hex: &str) -> Bytes {
    let digit = |character: u8| char::from(character).to_digit(16).unwrap() as u8;
    let pairs = hex.as_bytes().chunks(2);
    pairs
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}
