//! The edits of one batch, and who is shown what of them.
//!
//! All edits that waited together leave as one: merged once and shared by every client that made none of them. A lone
//! edit goes out as it came. A client that made some of the batch is shown the others' edits only, because some clients
//! take the sight of their own edit as word that it is stored.

use std::slice;

use bytes::Bytes;

use crate::content::{Begins, Content, Merging};
use crate::names::{Author, ConnectionId};

use super::effect::{Audience, Effect, Effects, Event};
use super::input::PushTag;
use super::peers::Peers;

/// An edit that was integrated in this batch.
#[derive(Debug)]
pub(super) struct Pushed {
    pub(super) connection: ConnectionId,
    pub(super) author: Option<Author>,
    pub(super) payload: Bytes,
    /// What of it is news to the others. The rest may be their own, and not stored yet.
    pub(super) shown: Bytes,
    pub(super) tag: PushTag,
    /// Whether its author is to be told that it is stored.
    pub(super) counted: bool,
    pub(super) news: bool,
    /// Whether any of it may not have been stored when it came; more than the news if it repeats what waits.
    pub(super) unstored: bool,
    pub(super) begins: Begins,
    /// Whether any of it was here already.
    pub(super) repeats: bool,
    /// The last step of the document that its author had been shown.
    pub(super) seen: Option<u64>,
}

/// What one author made of the news of a batch.
struct Own {
    author: ConnectionId,
    /// As one update, or as few as can be.
    payloads: Vec<Bytes>,
}

/// Shows the news of a batch to all clients who did not make it. Of those who are yet to be sent what the news builds on, it
/// is not said that they have seen it.
///
/// What an author made that is large, or does not become one, goes out by itself, shared by all the others. Everything
/// else is one update for the readers; for each author it is written again without its own.
pub(super) fn relay(
    content: &Content,
    batch: &[Pushed],
    step: u64,
    peers: &Peers,
    effects: &mut Effects,
) {
    let mut showing = Showing {
        step,
        unbased: &peers.unbased(),
        effects,
    };
    if let [lone] = batch {
        let author = [lone.connection];
        if lone.news && has_readers(peers, &author) {
            showing.tell_all_but(&author, slice::from_ref(&lone.shown), true);
        }
        return;
    }
    let mut news: Vec<_> = batch.iter().filter(|pushed| pushed.news).collect();
    news.sort_by_key(|pushed| pushed.connection);
    let (large, small): (Vec<_>, Vec<_>) = news
        .chunk_by(|a, b| a.connection == b.connection)
        .map(|own| Own::of(content, own))
        .partition(Own::is_large);
    for (at, own) in large.iter().enumerate() {
        let is_last = small.is_empty() && at + 1 == large.len();
        showing.tell_all_but(&[own.author], &own.payloads, is_last);
    }
    if !small.is_empty() {
        show_small(content, &small, peers, &mut showing);
    }
}

/// Whether anyone is here besides some authors, of whom some may have left.
fn has_readers(peers: &Peers, authors: &[ConnectionId]) -> bool {
    let here = authors.iter().filter(|author| peers.contains(**author));
    here.count() < peers.len()
}

/// Shows the news of many authors: to the readers all of it, to each author what the others made.
///
/// Writing that for every author anew costs as much as all of it, times the authors. Where that would be much the authors
/// are put into groups: each is shown what other groups made, which its group shares, and what its group made but itself.
fn show_small(content: &Content, small: &[Own], peers: &Peers, showing: &mut Showing<'_>) {
    let authors: Vec<_> = small.iter().map(|own| own.author).collect();
    let groups: Vec<_> = small.chunks(group_size(small)).collect();
    if let [all] = groups[..] {
        let merging = content.merging(numbered(all));
        if has_readers(peers, &authors) {
            showing.tell_all_but(&authors, &merging.all(), true);
        }
        return show_within(&merging, all, showing);
    }
    let updates = groups.iter().zip(0..).flat_map(|(group, number)| {
        let payloads = group.iter().flat_map(|own| &own.payloads);
        payloads.map(move |payload| (number, payload))
    });
    let merging = content.merging(updates.collect());
    showing.tell_all_but(&authors, &merging.all(), true);
    for (group, number) in groups.iter().zip(0..) {
        let members = group.iter().map(|own| own.author).collect();
        showing.send(&Audience::Among(members), &merging.without(number), None);
        show_within(&content.merging(numbered(group)), group, showing);
    }
}

fn show_within(merging: &Merging<'_>, group: &[Own], showing: &mut Showing<'_>) {
    for (own, number) in group.iter().zip(0..) {
        showing.tell_author(own.author, &merging.without(number));
    }
}

fn numbered(group: &[Own]) -> Vec<(u32, &Bytes)> {
    let numbered = group.iter().zip(0..);
    numbered
        .flat_map(|(own, number)| own.payloads.iter().map(move |payload| (number, payload)))
        .collect()
}

/// How many authors are in a group: all, or as many as there are groups.
fn group_size(small: &[Own]) -> usize {
    let bytes: usize = small.iter().map(Own::bytes).sum();
    let authors = small.len().max(1);
    if bytes * authors <= WRITTEN_AGAIN_MAX {
        authors
    } else {
        authors.isqrt()
    }
}

/// Shows news that none of the clients here made, in the same manner.
pub(super) fn show_news(
    content: &Content,
    payloads: &[Bytes],
    step: u64,
    unbased: &[ConnectionId],
    effects: &mut Effects,
) {
    let mut showing = Showing {
        step,
        unbased,
        effects,
    };
    showing.tell_all_but(&[], &content.merge(payloads), true);
}

impl Own {
    fn of(content: &Content, own: &[&Pushed]) -> Self {
        let shown: Vec<_> = own.iter().map(|pushed| pushed.shown.clone()).collect();
        let payloads = match shown[..] {
            [_] => shown,
            _ => content.merge(&shown),
        };
        Self {
            author: own[0].connection,
            payloads,
        }
    }

    fn bytes(&self) -> usize {
        self.payloads.iter().map(Bytes::len).sum()
    }

    fn is_large(&self) -> bool {
        self.payloads.len() > 1 || self.bytes() > SMALL_BYTES_MAX
    }
}

/// Sends what a step of the document brought. Only the last that a client gets of it says so, for the queue may be dropped
/// before that; an author may have to wait for its acknowledgement to be told.
struct Showing<'a> {
    step: u64,
    /// In order, as are all lists of clients here.
    unbased: &'a [ConnectionId],
    effects: &'a mut Effects,
}

impl Showing<'_> {
    fn tell_all_but(&mut self, few: &[ConnectionId], payloads: &[Bytes], is_last: bool) {
        let strangers = self.unbased.iter().copied();
        let strangers: Vec<_> = strangers
            .filter(|reader| is_last && few.binary_search(reader).is_err())
            .collect();
        let shows = is_last.then_some(self.step);
        if strangers.is_empty() {
            return self.send(&Audience::AllBut(few.into()), payloads, shows);
        }
        let mut others = [few, &strangers].concat();
        others.sort_unstable();
        self.send(&Audience::AllBut(others.into()), payloads, shows);
        self.send(&Audience::Among(strangers.into()), payloads, None);
    }

    fn tell_author(&mut self, author: ConnectionId, payloads: &[Bytes]) {
        let is_based = self.unbased.binary_search(&author).is_err();
        let shows = is_based.then_some(self.step);
        self.send(&Audience::One(author), payloads, shows);
    }

    fn send(&mut self, to: &Audience, payloads: &[Bytes], shows: Option<u64>) {
        for (at, payload) in payloads.iter().enumerate() {
            let is_last = at + 1 == payloads.len();
            self.effects.push(Effect::Send {
                to: to.clone(),
                event: Event::Change {
                    payload: payload.clone(),
                },
                shows: shows.filter(|_| is_last),
            });
        }
    }
}

/// What an author made in one batch is copied for every other author if it is no longer than this, in bytes; a keystroke
/// has some twenty.
const SMALL_BYTES_MAX: usize = 1_024;
/// How many bytes are written anew for the authors of one batch before they are put into groups.
const WRITTEN_AGAIN_MAX: usize = 1024 * 1024;

#[cfg(test)]
mod tests;
