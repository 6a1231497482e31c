//! Who may do what, as it stands in JSON: callers, tickets and revocations.

use engine::{Author, Capabilities, Capability};
use serde::{Deserialize, Serialize};
use storage::{RevocationEntry, Revoked};
use utoipa::ToSchema;

use crate::auth;
use crate::place::timestamp;

/// Who makes a request, and what they may do.
#[derive(Debug, Serialize, ToSchema)]
pub struct Whoami {
    /// Who it is: the author of what they change; null if anonymous.
    pub user: Option<String>,
    /// When this ends; null if never.
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
    /// What they may do: all that the rules allow which cover a document.
    pub grants: Vec<Rule>,
    /// What they may do with the document that was named; null if none was.
    pub access: Option<Access>,
}

/// What may be done with some documents.
#[derive(Debug, Serialize, ToSchema)]
pub struct Rule {
    /// Which workspaces; `*` stands for any text.
    #[schema(example = "default")]
    pub workspace: String,
    /// Which of their documents; `*` stands for any text.
    #[schema(example = "stories/*")]
    pub document: String,
    /// The capabilities.
    #[schema(example = json!(["read", "write", "presence"]))]
    pub may: Vec<&'static str>,
    /// How many may edit one of them at the same time; null for any number.
    pub editors_max: Option<u32>,
}

/// What may be done with a document.
#[derive(Debug, Serialize, ToSchema)]
pub struct Access {
    /// The capabilities.
    #[schema(example = json!(["read", "presence"]))]
    pub may: Vec<&'static str>,
    /// How many may edit it at the same time; null for any number.
    pub editors_max: Option<u32>,
}

/// What a ticket is to be for. It is good for all that the token allows, unless less is said.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTicket {
    /// Only this workspace; `default` if only a document is named.
    pub workspace: Option<String>,
    /// Only this document of it.
    pub document: Option<String>,
}

/// A ticket: it stands for the token once, in the parameter `ticket` of an address.
#[derive(Serialize, ToSchema)]
pub struct Ticket {
    /// What goes into the address.
    pub ticket: String,
    /// Until when it can be used.
    #[schema(format = DateTime)]
    pub expires_at: String,
}

/// Something to take away: exactly one of `user`, `token` and `document`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRevocation {
    /// All tokens of this user, as the claim `sub` names them.
    pub user: Option<String>,
    /// The token with this id, as the claim `jti` has it.
    pub token: Option<String>,
    /// All that tokens allow with this document.
    pub document: Option<String>,
    /// The workspace of the document; `default` if not said.
    pub workspace: Option<String>,
    /// From when on the revocation is not needed, because all that it is about has expired; never if not said.
    #[schema(format = DateTime)]
    pub until: Option<String>,
    /// Why, for whoever reads the list.
    pub reason: Option<String>,
}

/// Something that was taken away: what was issued up to a time, and what does not say when it was issued.
#[derive(Debug, Serialize, ToSchema)]
pub struct Revocation {
    /// Its number.
    pub id: u64,
    /// The user whose tokens were revoked; null if it is about something else.
    pub user: Option<String>,
    /// The id of the token that was revoked; null if it is about something else.
    pub token: Option<String>,
    /// The workspace of the document; null if it is about something else.
    pub workspace: Option<String>,
    /// The document for which tokens were revoked; null if it is about something else.
    pub document: Option<String>,
    /// Revoked is what was issued until then.
    #[schema(format = DateTime)]
    pub revoked_at: String,
    /// From when on it is not needed; null if never.
    #[schema(format = DateTime)]
    pub until: Option<String>,
    /// Who revoked it; null if anonymous.
    pub author: Option<String>,
    /// Why; empty if nothing was said.
    pub reason: String,
}

/// A page of revocations.
#[derive(Debug, Serialize, ToSchema)]
pub struct RevocationPage {
    /// The oldest first.
    pub items: Vec<Revocation>,
    /// What to give as `cursor` for the next page; null at the end.
    pub next_cursor: Option<String>,
}

impl From<&engine::Rule> for Rule {
    fn from(rule: &engine::Rule) -> Self {
        Self {
            workspace: rule.workspace.as_str().to_owned(),
            document: rule.document.as_str().to_owned(),
            may: words(rule.may),
            editors_max: rule.editors_max,
        }
    }
}

impl From<engine::Access> for Access {
    fn from(access: engine::Access) -> Self {
        Self {
            may: words(access.may),
            editors_max: access.editors_max,
        }
    }
}

impl From<auth::Ticket> for Ticket {
    fn from(ticket: auth::Ticket) -> Self {
        Self {
            ticket: ticket.ticket,
            expires_at: timestamp(ticket.expires_ms),
        }
    }
}

impl From<RevocationEntry> for Revocation {
    fn from(RevocationEntry { number, revocation }: RevocationEntry) -> Self {
        let (mut user, mut token, mut workspace, mut document) = (None, None, None, None);
        match revocation.revoked {
            Revoked::User(name) => user = Some(name.as_str().to_owned()),
            Revoked::Token(id) => token = Some(id.into()),
            Revoked::Document(key) => {
                workspace = Some(key.workspace().to_owned());
                document = Some(key.name().to_owned());
            }
        }
        Self {
            id: number,
            user,
            token,
            workspace,
            document,
            revoked_at: timestamp(revocation.at_ms),
            until: revocation.until_ms.map(timestamp),
            author: revocation
                .author
                .as_ref()
                .map(Author::as_str)
                .map(str::to_owned),
            reason: revocation.reason,
        }
    }
}

fn words(capabilities: Capabilities) -> Vec<&'static str> {
    capabilities.iter().map(Capability::as_str).collect()
}
