//! The edits of one batch, and who is shown what of them.
//!
//! All edits that waited together leave as one: merged once and shared by every client that made none of them. A lone
//! edit goes out as it came. A client that made some of the batch is shown the others' edits only, because some clients
//! take the sight of their own edit as word that it is stored.

use std::sync::Arc;

use bytes::Bytes;

use crate::content::{Begins, Content};
use crate::names::{Author, ConnectionId};

use super::effect::{Audience, Effect, Effects, Event};
use super::input::PushTag;

/// An edit that was integrated in this batch.
#[derive(Debug)]
pub(super) struct Pushed {
    pub(super) connection: ConnectionId,
    pub(super) author: Option<Author>,
    pub(super) payload: Bytes,
    /// What of it is news to the others. The rest may be their own, and not stored yet.
    pub(super) shown: Bytes,
    pub(super) tag: PushTag,
    pub(super) news: bool,
    /// Whether any of it may not have been stored when it came; more than the news if it repeats what waits.
    pub(super) unstored: bool,
    pub(super) begins: Begins,
    /// The last step of the document that its author had been shown.
    pub(super) seen: Option<u64>,
}

/// Shows the news of a batch to everyone who did not make it. Of the `unbased`, who are yet to be sent what the news builds
/// on, it is not said that they have seen it.
pub(super) fn relay(
    content: &Content,
    batch: &[Pushed],
    step: u64,
    unbased: &[ConnectionId],
    effects: &mut Effects,
) {
    let by_author = payloads_by_author(batch);
    let mut show = |payloads: &[Bytes], to: Audience, shows| {
        show(content, payloads, &to, shows, effects);
    };
    let all: Vec<_> = by_author
        .iter()
        .flat_map(|(_, payloads)| payloads.iter().cloned())
        .collect();
    let authors = by_author.iter().map(|(author, _)| *author);
    let (strange_authors, known_authors): (Vec<_>, Vec<_>) =
        authors.clone().partition(|author| unbased.contains(author));
    let readers = unbased
        .iter()
        .copied()
        .filter(|reader| !strange_authors.contains(reader));
    show(
        &all,
        Audience::AllBut(authors.chain(unbased.iter().copied()).collect()),
        Some(step),
    );
    show(
        &all,
        Audience::Among {
            members: readers.collect(),
            but: None,
        },
        None,
    );
    let (strangers, known): (Arc<[_]>, Arc<[_]>) = (strange_authors.into(), known_authors.into());
    for (author, payloads) in &by_author {
        let others = |members: &Arc<[_]>| Audience::Among {
            members: members.clone(),
            but: Some(*author),
        };
        show(payloads, others(&known), Some(step));
        show(payloads, others(&strangers), None);
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
    let based = Audience::AllBut(unbased.iter().copied().collect());
    show(content, payloads, &based, Some(step), effects);
    let members = unbased.iter().copied().collect();
    let unbased = Audience::Among { members, but: None };
    show(content, payloads, &unbased, None, effects);
}

fn payloads_by_author(batch: &[Pushed]) -> Vec<(ConnectionId, Vec<Bytes>)> {
    let mut news: Vec<_> = batch.iter().filter(|pushed| pushed.news).collect();
    news.sort_by_key(|pushed| pushed.connection);
    news.chunk_by(|a, b| a.connection == b.connection)
        .map(|own| {
            (
                own[0].connection,
                own.iter().map(|pushed| pushed.shown.clone()).collect(),
            )
        })
        .collect()
}

/// Sends payloads as one event, or one by one should they not merge.
fn show(
    content: &Content,
    payloads: &[Bytes],
    to: &Audience,
    shows: Option<u64>,
    effects: &mut Effects,
) {
    if to.is_nobody() {
        return;
    }
    let merged = match payloads {
        [] => return,
        [lone] => Ok(lone.clone()),
        several => content.merge(several),
    };
    let events = merged.map_or_else(|_| payloads.to_vec(), |payload| vec![payload]);
    for payload in events {
        let event = Event::Change { payload };
        effects.push(Effect::Send {
            to: to.clone(),
            event,
            shows,
        });
    }
}
