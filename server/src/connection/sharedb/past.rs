//! Documents as they were, at a version or a time, and queries. The store has what is needed, so it is asked beside the
//! documents themselves, about a few things at a time.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use engine::ordered::State;
use engine::{Capability, CloseReason, DocumentKey};
use protocol::close;
use protocol::sharedb::{self, Code, Named};
use protocol::websocket::Frame;
use storage::StoreError;

use super::super::entering::{Own, admit};
use super::hearing::{Message, parts};
use super::refusing::code;
use super::requests::refused;
use super::seat::Seats;
use super::seen;
use crate::auth::Refusal;
use crate::hub::Hub;
use crate::place::{SeekError, state_at_time, state_at_version};

/// Questions that the store is looking at.
#[derive(Default)]
pub(super) struct Past(Vec<(Looking, Bytes)>);

/// An answer on its way, or why there is none.
type Looking = Pin<Box<dyn Future<Output = Result<String, (Code, String)>> + Send>>;

/// Which state is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum When {
    Version(u64),
    TimeMs(u64),
    Now,
}

impl Past {
    /// Whether no more are looked at.
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= LOOKING_MAX
    }
}

impl Seats {
    /// Looks for a document as it was.
    pub(super) fn look_back(
        &mut self,
        action: &'static str,
        id: u64,
        named: Named,
        when: When,
        message: Message,
    ) {
        let (address, _) = parts(named);
        let document = match self.document(&address) {
            Ok(document) => document,
            Err((code, why)) => return self.refuse(&message, code, &why),
        };
        let projection = self.projection(&address);
        let looking = look(self.hub.clone(), self.guest.own.clone(), document, when);
        self.look(message, async move {
            let state = seen::state(projection.as_deref(), looking.await?)?;
            Ok(sharedb::at_version(action, id, &state))
        });
    }

    /// Tells what is found when it is.
    pub(super) fn look(
        &mut self,
        message: Message,
        looking: impl Future<Output = Result<String, (Code, String)>> + Send + 'static,
    ) {
        self.past.0.push((Box::pin(looking), message.text));
    }

    /// Tells what was found.
    pub(super) fn poll_past(&mut self, context: &mut Context<'_>) {
        let frames = &mut self.frames;
        self.past.0.retain_mut(|(looking, text)| {
            let Poll::Ready(found) = looking.as_mut().poll(context) else {
                return true;
            };
            let told = found.unwrap_or_else(|(code, why)| refused(text, code, &why));
            frames.push_back(Frame::text(told));
            false
        });
    }
}

async fn look(
    hub: Hub,
    own: Option<Own>,
    document: DocumentKey,
    when: When,
) -> Result<State, (Code, String)> {
    let world = hub.world();
    let pass = admit(&world.auth, own, &document)
        .await
        .map_err(|refusal| denied(&refusal))?;
    if !matches!(when, When::Now) {
        let allowed = pass.check(&document, Capability::History);
        allowed.map_err(|refusal| denied(&refusal))?;
    }
    let store = &*world.store;
    let state = match when {
        When::Version(version) => state_at_version(store, &document, version).await,
        When::TimeMs(time_ms) => state_at_time(store, &document, time_ms.min(LAST_MS)).await,
        When::Now => state_at_time(store, &document, LAST_MS).await,
    };
    state.map_err(|error| not_found(&error))
}

fn denied(refusal: &Refusal) -> (Code, String) {
    (code(refusal.close_reason()), refusal.to_string())
}

pub(super) fn not_found(error: &SeekError) -> (Code, String) {
    let told = |reason| (code(reason), close::text(reason).to_owned());
    match error {
        SeekError::Ahead { .. } => (Code::VersionNewer, error.to_string()),
        SeekError::NotOrdered(_) => told(CloseReason::WrongKind),
        SeekError::Store(StoreError::Deleted) => told(CloseReason::Deleted),
        SeekError::Store(_) | SeekError::Unbuildable => told(CloseReason::NotReady),
    }
}

/// Questions that are looked at at once; while there are so many, nothing is read.
const LOOKING_MAX: usize = 8;
/// The last millisecond of the year 9999: later than anything is.
const LAST_MS: u64 = 253_402_300_799_999;
