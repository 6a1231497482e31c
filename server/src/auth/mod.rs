//! Who somebody is, and what they may do: what a client shows becomes a pass, or a reason why not.
//!
//! A pass is asked for once for a connection and each document on it, and again when the client shows a newer token. It is
//! the server's own account of a token that was good at that moment; that it ends is enforced by each document
//! (`engine::Rights`), that it is taken away by [`Auth::is_revoked`].

pub mod carrier;

mod decider;
pub use decider::{Decider, Deciding};

mod guard;

mod jwks;

pub mod keys;

mod pass;
pub use pass::{Credential, Pass};

mod refusal;
pub use refusal::Refusal;

mod revocations;
pub use revocations::RevokeError;

pub mod token;

mod ticket;
pub use ticket::{TICKET_LIFE, TicketError};

mod written;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::{HeaderMap, Uri};
use engine::{Author, Capability, DocumentKey};
use storage::{MemoryStore, Revocation, RevocationEntry, Revoked, Store, StoreError};

use crate::config::Config;
use crate::hub::{Hub, WeakHub};
use crate::origins::Origins;
use carrier::Carried;
use guard::{Checked, Guard};
use jwks::Jwks;
use keys::KeyRing;
use revocations::Revocations;
use token::Expected;

/// Lets people in.
#[derive(Debug)]
pub struct Auth {
    store: Arc<dyn Store>,
    /// What somebody gets who shows nothing; none if they are not let in.
    anonymous: Option<Arc<Pass>>,
    /// Who checks tokens; none if nobody is asked for one.
    guard: Option<Guard>,
    decider: Option<Box<dyn Decider>>,
    origins: Origins,
    revocations: Revocations,
}

/// Somebody who wants to be let in.
#[derive(Clone, Copy, Debug)]
pub struct Visitor<'a> {
    /// What they show; none if nothing.
    pub credential: Option<&'a Credential>,
    /// Which document they want; none if they ask for none in particular, or for several.
    pub document: Option<&'a DocumentKey>,
}

/// A ticket as it is issued. It is printed nowhere but to whoever asked for it.
#[derive(Clone)]
pub struct Ticket {
    /// What the client puts into the address.
    pub ticket: String,
    /// When it ends, in milliseconds since the Unix epoch.
    pub expires_ms: u64,
}

impl Auth {
    /// Lets everybody do everything, and asks nobody who they are: for development.
    pub fn open() -> Self {
        Self {
            store: Arc::new(MemoryStore::new()),
            anonymous: Some(Arc::new(Pass::anonymous())),
            guard: None,
            decider: None,
            origins: Origins::default(),
            revocations: Revocations::default(),
        }
    }

    /// As the configuration has it: for development if nothing is said about tokens, else asking for one.
    ///
    /// # Errors
    /// The keys cannot be used, or there are no certificate authorities to trust.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        match config.asks_for_tokens() {
            true => Self::asking(config),
            false => Ok(Self::open()),
        }
    }

    /// Asks for a token, whether there are keys for one or not.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn asking(config: &Config) -> anyhow::Result<Self> {
        let auth = &config.auth;
        let jwks = auth.jwks.clone().map(Jwks::new).transpose()?;
        let guard = Guard {
            ring: KeyRing::read(&config.data_dir)?,
            jwks: jwks.map(Arc::new),
            expected: Expected::from(auth),
        };
        let anonymous = auth.anonymous.map(|may| Arc::new(Pass::without_token(may)));
        Ok(Self {
            anonymous,
            guard: Some(guard),
            ..Self::open()
        })
    }

    /// Keeps what is revoked in a store, and tickets with it, and goes by what was revoked before.
    ///
    /// # Errors
    /// The store does not give its revocations.
    pub async fn kept_in(self, store: Arc<dyn Store>) -> Result<Self, StoreError> {
        Ok(Self {
            revocations: Revocations::load(&*store).await?,
            store,
            ..self
        })
    }

    /// Takes the cookie also from pages of these origins.
    #[must_use]
    pub fn for_pages_of(self, origins: Origins) -> Self {
        Self { origins, ..self }
    }

    /// Has somebody else decide where this server has nothing to go by.
    #[must_use]
    pub fn decided_by(self, decider: Box<dyn Decider>) -> Self {
        Self {
            decider: Some(decider),
            ..self
        }
    }

    /// Whether nobody is asked who they are.
    pub fn is_open(&self) -> bool {
        self.guard.is_none() && self.decider.is_none()
    }

    /// Whether somebody else may decide on each document.
    pub(crate) fn asks_a_decider(&self) -> bool {
        self.decider.is_some()
    }

    /// Who is let in, in a line for the operator.
    pub fn rule(&self) -> String {
        if self.is_open() {
            return "anonymous: everyone who can reach this address reads and writes".to_owned();
        }
        let may = |pass: &Arc<Pass>| {
            let rules = pass.grant.rules.iter();
            let words = rules
                .flat_map(|rule| rule.may.iter())
                .map(Capability::as_str);
            format!("; without one: {}", words.collect::<Vec<_>>().join(", "))
        };
        match (&self.decider, &self.anonymous) {
            (Some(_), _) => {
                "tokens: whoever connects shows one, and the application may decide".to_owned()
            }
            (None, Some(anonymous)) => format!("tokens{}", may(anonymous)),
            (None, None) => "tokens: whoever connects shows one".to_owned(),
        }
    }

    /// What a request shows, wherever it carries it.
    pub fn read(&self, headers: &HeaderMap, uri: &Uri) -> Carried {
        Carried::read(headers, uri, &self.origins)
    }

    /// A pass for somebody.
    ///
    /// # Errors
    /// What they show is not good here, or whoever has to decide does not answer.
    pub async fn admit(&self, visitor: Visitor<'_>) -> Result<Arc<Pass>, Refusal> {
        let pass = match visitor.credential {
            Some(ticket) if ticket.is_ticket() => {
                ticket::redeem(&*self.store, ticket.reveal()).await?.into()
            }
            Some(token) => self.check(token, visitor).await?,
            None => self.let_in(visitor).await?,
        };
        // A ticket may outlive what it stands for.
        self.check_again(&pass, visitor.document)?;
        Ok(pass)
    }

    /// Looks at a pass that was good when it was given.
    ///
    /// # Errors
    /// It has expired, or was taken away, altogether or for the document.
    pub fn check_again(&self, pass: &Pass, document: Option<&DocumentKey>) -> Result<(), Refusal> {
        if pass.grant.is_expired(wall_ms()) {
            return Err(Refusal::Expired);
        }
        match self.is_taken_away(pass, document) {
            true => Err(Refusal::Revoked),
            false => Ok(()),
        }
    }

    /// Somebody shows a token.
    async fn check(&self, token: &Credential, visitor: Visitor<'_>) -> Result<Arc<Pass>, Refusal> {
        let Some(guard) = &self.guard else {
            return self.let_in(visitor).await;
        };
        match (guard.check(token.reveal(), wall_ms()).await, &self.decider) {
            (Checked::Good(pass), _) => Ok(Arc::new(pass)),
            (Checked::Bad(refusal), _) => Err(refusal),
            (Checked::Foreign(_), Some(decider)) => decider.decide(visitor).await,
            (Checked::Foreign(fault), None) => Err(fault.into()),
        }
    }

    /// There is no token, or nobody here who could check one.
    async fn let_in(&self, visitor: Visitor<'_>) -> Result<Arc<Pass>, Refusal> {
        match (&self.decider, &self.anonymous) {
            (Some(decider), _) => decider.decide(visitor).await,
            (None, Some(anonymous)) => Ok(anonymous.clone()),
            (None, None) => Err(Refusal::Missing),
        }
    }

    fn is_taken_away(&self, pass: &Pass, document: Option<&DocumentKey>) -> bool {
        let has = |key: &Arc<str>| self.guard.as_ref().is_some_and(|guard| guard.has(key));
        pass.key_id.as_ref().is_some_and(|key| !has(key)) || self.revocations.cover(pass, document)
    }

    /// Whether a pass was taken away, altogether or for a document.
    pub fn is_revoked(&self, pass: &Pass, document: &DocumentKey) -> bool {
        self.is_taken_away(pass, Some(document))
    }

    /// Takes something away before it expires: all that was issued until now. It is kept when this returns, and holds for
    /// everybody who comes; that it holds for those who are here is seen to by [`Hub::revoked`](crate::hub::Hub::revoked).
    ///
    /// # Errors
    /// It could not be kept.
    pub async fn revoke(
        &self,
        revoked: Revoked,
        until_ms: Option<u64>,
        author: Option<Author>,
        reason: String,
    ) -> Result<RevocationEntry, RevokeError> {
        let revocation = Revocation {
            revoked,
            at_ms: wall_ms(),
            until_ms,
            author,
            reason,
        };
        self.revocations.add(&*self.store, revocation).await
    }

    /// Takes in what other nodes have revoked or lifted. True if there is any such thing.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn reload_revocations(&self) -> Result<bool, StoreError> {
        self.revocations.reload(&*self.store).await
    }

    /// Reads the keys again if they have changed. True if what they were good for is to be looked at again.
    fn refresh_keys(&self) -> bool {
        self.guard.as_ref().is_some_and(Guard::refresh)
    }

    /// All that was taken away, the oldest first.
    pub fn revocations(&self) -> Vec<RevocationEntry> {
        self.revocations.list()
    }

    /// Lifts a revocation. False if there is none of that number.
    ///
    /// # Errors
    /// The store did not do it.
    pub async fn lift_revocation(&self, number: u64) -> Result<bool, StoreError> {
        self.revocations.lift(&*self.store, number).await
    }

    /// Issues a ticket, which is good once and soon ends, for a pass or a [narrowed](Pass::narrowed) one.
    ///
    /// # Errors
    /// Too many have not been used, or it could not be kept.
    pub async fn issue_ticket(&self, pass: &Pass) -> Result<Ticket, TicketError> {
        let ticket = ticket::issue(&*self.store, pass).await?;
        let life_ms = u64::try_from(TICKET_LIFE.as_millis()).unwrap_or(u64::MAX);
        Ok(Ticket {
            ticket,
            expires_ms: wall_ms() + life_ms,
        })
    }
}

/// Keeps what tokens are checked with up to date, for as long as there is somebody to check them for.
pub fn keep_up(hub: &Hub) {
    let auth = hub.world().auth.clone();
    let jwks = auth.guard.as_ref().and_then(|guard| guard.jwks.as_ref());
    if let Some(jwks) = jwks {
        tokio::spawn(Jwks::keep_fresh(Arc::downgrade(jwks)));
    }
    if auth.guard.is_some() {
        tokio::spawn(watch_keys(hub.downgrade()));
    }
}

/// Looks now and again whether the keys have changed, and has those closed whose key is gone.
async fn watch_keys(hub: WeakHub) {
    while let Some(hub) = hub.upgrade() {
        if hub.world().auth.refresh_keys() {
            hub.revoked().await;
        }
        drop(hub);
        tokio::time::sleep(KEYS_INTERVAL).await;
    }
}

/// The time in milliseconds since the Unix epoch: what tokens go by.
pub(crate) fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// How often it is looked whether the key file has changed.
const KEYS_INTERVAL: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Grant;

    fn pass(user: &str, token_id: Option<&str>, issued_ms: Option<u64>) -> Pass {
        let grant = Grant {
            principal: Some(Author::new(user)),
            ..Grant::anonymous()
        };
        Pass {
            token_id: token_id.map(Into::into),
            issued_ms,
            ..Pass::of(grant)
        }
    }

    async fn revoke(auth: &Auth, revoked: Revoked, until_ms: Option<u64>) -> RevocationEntry {
        let reason = "left".to_owned();
        auth.revoke(revoked, until_ms, None, reason).await.unwrap()
    }

    #[tokio::test]
    async fn what_was_issued_before_is_revoked_and_what_comes_later_is_not() {
        let auth = Auth::open();
        let [notes, other] = ["notes", "other"].map(|name| DocumentKey::new("w", name).unwrap());
        let bob = revoke(&auth, Revoked::User(Author::new("bob")), None).await;
        let at_ms = bob.revocation.at_ms;
        assert!(auth.is_revoked(&pass("bob", None, None), &notes));
        assert!(auth.is_revoked(&pass("bob", None, Some(at_ms)), &notes));
        assert!(!auth.is_revoked(&pass("bob", None, Some(at_ms + 1)), &notes));
        assert!(!auth.is_revoked(&pass("ada", Some("bob"), None), &notes));
        revoke(&auth, Revoked::Token("t".into()), None).await;
        assert!(auth.is_revoked(&pass("ada", Some("t"), None), &notes));
        assert!(!auth.is_revoked(&pass("ada", None, None), &notes));
        revoke(&auth, Revoked::Document(notes.clone()), None).await;
        assert!(auth.is_revoked(&pass("ada", None, None), &notes));
        assert!(!auth.is_revoked(&pass("ada", None, None), &other));
        assert!(auth.is_revoked(&Pass::anonymous(), &notes));
    }

    #[tokio::test]
    async fn revocations_outlive_the_process_and_can_be_lifted() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let notes = DocumentKey::new("w", "notes").unwrap();
        let auth = Auth::open().kept_in(store.clone()).await.unwrap();
        let entry = revoke(&auth, Revoked::User(Author::new("bob")), None).await;
        let again = Auth::open().kept_in(store.clone()).await.unwrap();
        assert_eq!(again.revocations(), std::slice::from_ref(&entry));
        assert!(again.is_revoked(&pass("bob", None, None), &notes));
        assert_eq!(again.lift_revocation(entry.number).await, Ok(true));
        assert_eq!(again.lift_revocation(entry.number).await, Ok(false));
        assert!(!again.is_revoked(&pass("bob", None, None), &notes));
        assert!(again.revocations().is_empty());
        assert_eq!(store.revocations().await, Ok(Vec::new()));
    }

    #[tokio::test]
    async fn what_has_ended_makes_room() {
        let auth = Auth::open();
        revoke(&auth, Revoked::Token("gone".into()), Some(1)).await;
        let entry = revoke(&auth, Revoked::Token("t".into()), None).await;
        assert_eq!(auth.revocations(), std::slice::from_ref(&entry));
        let again = revoke(&auth, Revoked::Token("t".into()), None).await;
        assert_eq!(again.number, entry.number);
        assert_eq!(auth.revocations(), [again]);
    }

    /// Knows those whose token is their name.
    #[derive(Debug)]
    struct Doorman;

    impl Decider for Doorman {
        fn decide<'a>(&'a self, visitor: Visitor<'a>) -> Deciding<'a> {
            let name = visitor.credential.map(Credential::reveal);
            Box::pin(async move {
                match name {
                    Some("nobody") => Err(Refusal::Denied("not on the list".into())),
                    Some(name) => Ok(pass(name, None, None).into()),
                    None => Err(Refusal::Unavailable),
                }
            })
        }
    }

    #[tokio::test]
    async fn who_is_let_in_is_decided_by_somebody_else() {
        let auth = Auth::open().decided_by(Box::new(Doorman));
        assert!(!auth.is_open());
        let admit = async |token: Option<&str>| {
            let credential = token.map(Credential::new);
            let visitor = Visitor {
                credential: credential.as_ref(),
                document: None,
            };
            auth.admit(visitor).await
        };
        assert_eq!(*admit(Some("ada")).await.unwrap(), pass("ada", None, None));
        let denied = Refusal::Denied("not on the list".into());
        assert_eq!(admit(Some("nobody")).await, Err(denied));
        assert_eq!(admit(None).await, Err(Refusal::Unavailable));
        revoke(&auth, Revoked::User(Author::new("ada")), None).await;
        assert_eq!(admit(Some("ada")).await, Err(Refusal::Revoked));
    }

    #[tokio::test]
    async fn a_ticket_lets_in_once_and_not_those_who_were_revoked() {
        let auth = Auth::open();
        let admit = async |ticket: &Ticket| {
            let credential = Credential::ticket(&ticket.ticket);
            let visitor = Visitor {
                credential: Some(&credential),
                document: None,
            };
            auth.admit(visitor).await
        };
        let issue = async |user: &str| auth.issue_ticket(&pass(user, None, None)).await.unwrap();
        let [once, revoked] = [issue("ada").await, issue("bob").await];
        let mut ended = pass("ada", None, None);
        ended.grant.expires_ms = Some(wall_ms());
        let ended = auth.issue_ticket(&ended).await.unwrap();
        assert_eq!(admit(&ended).await, Err(Refusal::Expired));
        assert_eq!(*admit(&once).await.unwrap(), pass("ada", None, None));
        assert_eq!(admit(&once).await, Err(Refusal::BadTicket));
        revoke(&auth, Revoked::User(Author::new("bob")), None).await;
        assert_eq!(admit(&revoked).await, Err(Refusal::Revoked));
    }

    #[tokio::test]
    async fn a_ticket_is_good_once_at_all_nodes_together() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let node = async || Auth::open().kept_in(store.clone()).await.unwrap();
        let [one, other] = [node().await, node().await];
        let issued = pass("ada", Some("t"), Some(5));
        let [used, revoked] = [
            one.issue_ticket(&issued).await.unwrap(),
            one.issue_ticket(&issued).await.unwrap(),
        ];
        let admit = async |node: &Auth, ticket: &Ticket| {
            let credential = Credential::ticket(&ticket.ticket);
            let visitor = Visitor {
                credential: Some(&credential),
                document: None,
            };
            node.admit(visitor).await
        };
        assert_eq!(*admit(&other, &used).await.unwrap(), issued);
        assert_eq!(admit(&one, &used).await, Err(Refusal::BadTicket));
        revoke(&one, Revoked::Token("t".into()), None).await;
        assert_eq!(other.reload_revocations().await, Ok(true));
        assert_eq!(admit(&other, &revoked).await, Err(Refusal::Revoked));
    }
}
