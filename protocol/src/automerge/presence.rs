//! What people show of themselves by the `Presence` class of automerge-repo (`presence/` of the npm package), which puts it into
//! ephemeral messages of a document.
//!
//! Everybody shows some *channels*, each with a value of the application: all of them in a snapshot, one of them in an update.
//! A heartbeat says that nothing is new, a goodbye that nothing is shown any more. The class answers whoever is new to it with a
//! snapshot, half a second later.

use bytes::Bytes;

use super::cbor::{Reader, Writer};
use crate::FrameError;

/// Something that somebody says with that class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Showing {
    /// All that is shown.
    Snapshot(Channels),
    /// What is shown in one channel from now on.
    Update {
        /// The channel's name.
        channel: Box<str>,
        /// What is shown in it.
        value: Bytes,
    },
    /// It is all as it was.
    Heartbeat,
    /// Nothing is shown any more.
    Goodbye,
}

/// What somebody shows: the names of channels, each once, with a value of CBOR.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Channels(Vec<(Box<str>, Bytes)>);

impl Showing {
    /// Reads what is in an ephemeral message; none if it is something else, or has more than [`Channels::MAX`] channels.
    pub fn read(data: &Bytes) -> Option<Self> {
        let mut reader = Reader::new(data);
        let mut pairs = reader.map(FIELD).ok()?;
        let is_some = reader.more(&mut pairs, FIELD).ok()?;
        let is_marked = is_some && *reader.text(NAME_BYTES_MAX, FIELD).ok()? == *MARK;
        if !is_marked {
            return None;
        }
        let fields = Channels::read(data, &mut reader).ok()?;
        let text = |name| fields.reader(name)?.text(NAME_BYTES_MAX, FIELD).ok();
        match &*text(TYPE)? {
            SNAPSHOT => {
                let state = fields.reader(STATE);
                let state = state.and_then(|mut state| {
                    let is_nothing = state.nothing(FIELD).ok()?;
                    (!is_nothing).then_some(state)
                });
                let channels = match state {
                    Some(mut state) => Channels::read(&state.frame(), &mut state).ok()?,
                    None => Channels::default(),
                };
                Some(Self::Snapshot(channels))
            }
            UPDATE => Some(Self::Update {
                channel: text(CHANNEL)?,
                value: fields.get(VALUE)?.clone(),
            }),
            HEARTBEAT => Some(Self::Heartbeat),
            GOODBYE => Some(Self::Goodbye),
            _ => None,
        }
    }

    /// Writes it for an ephemeral message.
    pub fn write(&self) -> Bytes {
        let mut writer = Writer::with_capacity(64);
        writer.map(1);
        writer.text(MARK);
        let (kind, pairs) = match self {
            Self::Snapshot(_) => (SNAPSHOT, 2),
            Self::Update { .. } => (UPDATE, 3),
            Self::Heartbeat => (HEARTBEAT, 1),
            Self::Goodbye => (GOODBYE, 1),
        };
        writer.map(pairs);
        writer.text(TYPE);
        writer.text(kind);
        match self {
            Self::Snapshot(channels) => {
                writer.text(STATE);
                channels.write(&mut writer);
            }
            Self::Update { channel, value } => {
                writer.text(CHANNEL);
                writer.text(channel);
                writer.text(VALUE);
                writer.value(value);
            }
            Self::Heartbeat | Self::Goodbye => {}
        }
        writer.finish()
    }
}

impl Channels {
    /// How many channels are read: more than programs have.
    pub const MAX: usize = 256;

    /// Shows something in one channel from now on.
    pub fn set(&mut self, channel: Box<str>, value: Bytes) {
        match self.0.iter_mut().find(|(name, _)| *name == channel) {
            Some((_, shown)) => *shown = value,
            None => self.0.push((channel, value)),
        }
    }

    /// About how many bytes they take up.
    pub fn length(&self) -> usize {
        let pairs = self.0.iter();
        pairs.map(|(name, value)| name.len() + value.len()).sum()
    }

    fn read(frame: &Bytes, reader: &mut Reader) -> Result<Self, FrameError> {
        let mut channels = Self::default();
        let mut pairs = reader.map(FIELD)?;
        while reader.more(&mut pairs, FIELD)? {
            let at = reader.position();
            if channels.0.len() >= Self::MAX {
                let (field, max) = (FIELD, Self::MAX);
                return Err(FrameError::TooMany { field, at, max });
            }
            let name = reader.text(NAME_BYTES_MAX, FIELD)?;
            let at = reader.position();
            reader.skip(FIELD)?;
            channels.set(name, frame.slice(at..reader.position()));
        }
        Ok(channels)
    }

    fn write(&self, writer: &mut Writer) {
        writer.map(self.0.len());
        for (name, value) in &self.0 {
            writer.text(name);
            writer.value(value);
        }
    }

    fn get(&self, name: &str) -> Option<&Bytes> {
        let mut pairs = self.0.iter();
        pairs
            .find(|(key, _)| **key == *name)
            .map(|(_, value)| value)
    }

    fn reader(&self, name: &str) -> Option<Reader> {
        self.get(name).map(Reader::new)
    }
}

/// The only key of all that the class says.
const MARK: &str = "__presence";
const TYPE: &str = "type";
const STATE: &str = "state";
const CHANNEL: &str = "channel";
const VALUE: &str = "value";
const SNAPSHOT: &str = "snapshot";
const UPDATE: &str = "update";
const HEARTBEAT: &str = "heartbeat";
const GOODBYE: &str = "goodbye";

/// What faults are reported under, which nobody is told of.
const FIELD: &str = "presence";

/// The longest name of a channel, in bytes.
const NAME_BYTES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    /// As cbor-x writes it: `{ __presence: { type: 'snapshot', state: { cursor: 7, name: 'Ann' } } }`.
    const RECORDED: &[u8] = b"\xb9\x00\x01\x6a__presence\xb9\x00\x02\x64type\x68snapshot\x65state\
        \xb9\x00\x02\x66cursor\x07\x64name\x63Ann";

    #[test]
    fn a_snapshot_goes_on_with_updates() {
        let read = Showing::read(&Bytes::from_static(RECORDED));
        let Some(Showing::Snapshot(mut channels)) = read else {
            panic!("{read:?}");
        };
        channels.set("cursor".into(), Bytes::from_static(b"\x08"));
        channels.set("idle".into(), Bytes::from_static(b"\xf5"));
        let written = Showing::Snapshot(channels.clone()).write();
        assert_eq!(Showing::read(&written), Some(Showing::Snapshot(channels)));
        let shown = b"\xa3\x66cursor\x08\x64name\x63Ann\x64idle\xf5";
        assert!(written.ends_with(shown), "{written:?}");
    }

    #[test]
    fn what_is_written_reads_as_the_same() {
        let value = Bytes::from_static(b"\x82\x01\x02");
        let channel = "cursor".into();
        let all = [
            Showing::Update { channel, value },
            Showing::Heartbeat,
            Showing::Goodbye,
            Showing::Snapshot(Channels::default()),
        ];
        for showing in all {
            assert_eq!(Showing::read(&showing.write()), Some(showing));
        }
    }

    #[test]
    fn a_snapshot_of_nothing_is_one_and_other_things_are_not() {
        let read = |bytes: &[u8]| Showing::read(&Bytes::copy_from_slice(bytes));
        let nothing = b"\xa1\x6a__presence\xa2\x64type\x68snapshot\x65state\xf7";
        assert_eq!(read(nothing), Some(Showing::Snapshot(Channels::default())));
        for other in [
            &b"\x61x"[..],
            b"",
            b"\xa0",
            b"\xa1\x61x\x01",
            b"\xa1\x6a__presence\x01",
            b"\xa1\x6a__presence\xa1\x64type\x63new",
            b"\xa1\x6a__presence\xa1\x64type\x66update",
            &RECORDED[..RECORDED.len() - 1],
        ] {
            assert_eq!(read(other), None, "{other:?}");
        }
    }

    #[test]
    fn too_many_channels_are_not_read() {
        let mut channels = Channels::default();
        for number in 0..Channels::MAX {
            let value = Bytes::from_static(b"\x01");
            channels.set(number.to_string().into(), value);
        }
        let read =
            |channels: &Channels| Showing::read(&Showing::Snapshot(channels.clone()).write());
        assert!(read(&channels).is_some());
        channels.set("more".into(), Bytes::from_static(b"\x01"));
        assert_eq!(read(&channels), None);
    }
}
