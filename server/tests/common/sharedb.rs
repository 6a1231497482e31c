//! A client of the ShareDB dialect that says what it is told to, byte for byte.

use serde_json::{Value, json};

use super::wire::{Server, Socket};

/// A client that says what it is told to.
pub(crate) struct Client {
    pub(crate) socket: Socket,
    /// What the server calls it.
    pub(crate) id: String,
}

impl Client {
    pub(crate) fn connect(server: &Server) -> Self {
        Self::over(Socket::open(server, "/sharedb/team"))
    }

    pub(crate) fn over(socket: Socket) -> Self {
        let mut client = Self {
            socket,
            id: String::new(),
        };
        let init = client.next();
        assert_eq!((&init["a"], &init["protocol"]), (&json!("init"), &json!(1)));
        client.id = init["id"].as_str().unwrap().to_owned();
        client
    }

    pub(crate) fn say(&mut self, message: &Value) {
        self.say_text(&message.to_string());
    }

    pub(crate) fn say_text(&mut self, text: &str) {
        let frame = masked(0x81, text.as_bytes());
        self.socket.send(&frame).unwrap();
    }

    /// The next message.
    pub(crate) fn next(&mut self) -> Value {
        let mut text = Vec::new();
        loop {
            let mut first = [0];
            std::io::Read::read_exact(&mut self.socket.0, &mut first).unwrap();
            let (opcode, payload) = self.rest_of_frame(first[0]);
            match opcode {
                0 | 1 => text.extend(payload),
                8 => panic!("closed: {:?}", String::from_utf8_lossy(&payload)),
                _ => continue,
            }
            if first[0] & 0x80 != 0 {
                return serde_json::from_slice(&text).unwrap();
            }
        }
    }

    fn rest_of_frame(&mut self, first: u8) -> (u8, Vec<u8>) {
        let mut length = [0];
        std::io::Read::read_exact(&mut self.socket.0, &mut length).unwrap();
        let mut bytes = usize::from(length[0]);
        if bytes == 126 {
            let mut long = [0; 2];
            std::io::Read::read_exact(&mut self.socket.0, &mut long).unwrap();
            bytes = u16::from_be_bytes(long).into();
        }
        let mut payload = vec![0; bytes];
        std::io::Read::read_exact(&mut self.socket.0, &mut payload).unwrap();
        (first & 0x0f, payload)
    }

    pub(crate) fn ask(&mut self, message: &Value) -> Value {
        self.say(message);
        self.next()
    }

    pub(crate) fn creates(&mut self, id: &str, data: &Value) {
        let create = json!({"type": "json0", "data": data});
        let op = json!({"a": "op", "c": "c", "d": id, "v": 0, "seq": 1, "create": create});
        let ack = json!({"a": "op", "c": "c", "d": id, "v": 0, "src": self.id, "seq": 1});
        assert_eq!(self.ask(&op), ack);
    }

    pub(crate) fn subscribes(&mut self, id: &str) -> Value {
        let answer = self.ask(&json!({"a": "s", "c": "c", "d": id, "v": null}));
        assert_eq!(answer["a"], "s");
        answer["data"].clone()
    }
}

/// A frame of a client, masked with zeros.
pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | length as u8),
        length @ 126..0x1_0000 => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// The code of a refusal, which is the question with an error.
pub(crate) fn refused(question: &Value, answer: &Value) -> String {
    let mut question = question.clone();
    question["error"] = answer["error"].clone();
    assert_eq!(&question, answer);
    answer["error"]["code"].as_str().unwrap().to_owned()
}
