//! Who makes a request, and what they may do.
//!
//! Every handler under `/api/v1` takes a [`Caller`] and asks it for the capability that it needs before it asks the store
//! for anything. What is refused is so refused by the grant alone: whether there is such a document makes no difference to
//! the answer, nor to how long it takes.

use std::fmt;
use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri};
use engine::{Access, Author, Capability, DocumentKey, Grant};

use super::request::DEFAULT_WORKSPACE;
use crate::auth::{Auth, Pass, Visitor};
use crate::http::App;
use crate::http::problem::Problem;
use crate::naming::named;

/// Whoever makes a request.
#[derive(Debug)]
pub(in crate::http) struct Caller {
    auth: Arc<Auth>,
    pass: Arc<Pass>,
}

/// A request of somebody who is not let in yet, because only the rest of it tells which document it is about.
#[derive(Debug)]
pub(in crate::http) struct Visit {
    headers: HeaderMap,
    uri: Uri,
}

impl Visit {
    /// Lets somebody in with what their request shows.
    ///
    /// # Errors
    /// What it shows is not good here, or it shows nothing where something has to be shown.
    pub(in crate::http) async fn admit(
        &self,
        app: &App,
        document: Option<&DocumentKey>,
    ) -> Result<Caller, Problem> {
        let world = app.hub.world();
        let auth = world.auth.clone();
        let shown = auth.read(&self.headers, &self.uri);
        let visitor = Visitor {
            credential: shown.credential.as_ref(),
            document,
        };
        let pass = auth.admit(visitor).await?;
        if pass.grant.is_expired(world.clock.now().wall_ms) {
            return Err(Problem::token_expired());
        }
        Ok(Caller { auth, pass })
    }
}

impl Caller {
    /// Whether they may do something with a document.
    ///
    /// # Errors
    /// They may not.
    pub(super) fn may(
        &self,
        document: &DocumentKey,
        capability: Capability,
    ) -> Result<(), Problem> {
        self.is_granted(document, capability)?;
        if self.auth.is_revoked(&self.pass, document) {
            return Err(Problem::token_revoked());
        }
        Ok(())
    }

    /// Whether their grant allows something with a document, although it may have been revoked there.
    ///
    /// # Errors
    /// It does not.
    pub(super) fn is_granted(
        &self,
        document: &DocumentKey,
        capability: Capability,
    ) -> Result<(), Problem> {
        let granted = self.grant().access(document).may.contains(capability);
        granted
            .then_some(())
            .ok_or_else(|| self.lacks(capability, format_args!("this document")))
    }

    /// What they may do with a document.
    pub(super) fn access(&self, document: &DocumentKey) -> Access {
        if self.auth.is_revoked(&self.pass, document) {
            return Access::default();
        }
        self.grant().access(document)
    }

    /// Whether they may do something with some documents of a workspace.
    ///
    /// # Errors
    /// They may not with any.
    pub(super) fn may_in(&self, workspace: &str, capability: Capability) -> Result<(), Problem> {
        let any = self.grant().rules_of(workspace, capability).next();
        any.map(|_| ())
            .ok_or_else(|| self.lacks(capability, format_args!("this workspace")))
    }

    /// Whether they may do something with any document at all.
    ///
    /// # Errors
    /// They may not.
    pub(super) fn may_somewhere(&self, capability: Capability) -> Result<(), Problem> {
        let any = self
            .grant()
            .rules
            .iter()
            .any(|rule| rule.may.contains(capability));
        any.then_some(())
            .ok_or_else(|| self.lacks(capability, format_args!("any document")))
    }

    /// Whether they may do something with every document that there can be.
    ///
    /// # Errors
    /// They may not with all.
    pub(in crate::http) fn may_everywhere(&self, capability: Capability) -> Result<(), Problem> {
        let all = self.grant().everywhere().contains(capability);
        all.then_some(())
            .ok_or_else(|| self.lacks(capability, format_args!("all documents")))
    }

    /// Whether a document is to be in a list that is made for them.
    pub(super) fn sees(&self, document: &DocumentKey, capability: Capability) -> bool {
        self.may(document, capability).is_ok()
    }

    /// Who they are; none if anonymous.
    pub(super) fn author(&self) -> Option<Author> {
        self.pass.author()
    }

    /// What they were let in with.
    pub(super) fn pass(&self) -> &Arc<Pass> {
        &self.pass
    }

    /// What they may do.
    pub(super) fn grant(&self) -> &Grant {
        &self.pass.grant
    }

    /// Whoever showed nothing may come back and show something; whoever showed a token is told what it lacks.
    fn lacks(&self, capability: Capability, of: fmt::Arguments<'_>) -> Problem {
        match self.grant().principal {
            Some(_) => Problem::forbidden(capability, of),
            None => Problem::token_needed(),
        }
    }
}

/// The name in the log.
impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.grant().principal.as_ref().map(Author::as_str) {
            Some(name) => write!(f, "{name:?}"),
            None => f.write_str("anonymous"),
        }
    }
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let document = document(parts).await;
        let visit = Visit::from_request_parts(parts, app).await?;
        visit.admit(app, document.as_ref()).await
    }
}

impl FromRequestParts<Arc<App>> for Visit {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Problem> {
        Ok(Self {
            headers: parts.headers.clone(),
            uri: parts.uri.clone(),
        })
    }
}

/// The document that the path names, if it names one: whoever decides who is let in may want to know.
async fn document(parts: &mut Parts) -> Option<DocumentKey> {
    let names = RawPathParams::from_request_parts(parts, &()).await.ok()?;
    let part = |wanted| names.iter().find(|(name, _)| *name == wanted);
    let (_, document) = part("document")?;
    let workspace = part("workspace").map_or(DEFAULT_WORKSPACE, |(_, workspace)| workspace);
    named(workspace, document).ok()
}

#[cfg(test)]
mod tests {
    use engine::{Capabilities, Pattern, Rule};

    use super::*;

    impl Caller {
        /// Somebody with a name and these rules: workspace, document, capabilities.
        pub(in crate::http) fn with(rules: &[(&str, &str, &str)]) -> Self {
            let rule = |(workspace, document, may): &(&str, &str, &str)| Rule {
                workspace: Pattern::new(workspace),
                document: Pattern::new(document),
                may: may
                    .split(' ')
                    .map(|it| it.parse().unwrap())
                    .collect::<Capabilities>(),
                editors_max: None,
            };
            let mut pass = Pass::anonymous();
            pass.grant.principal = Some(Author::new("ada"));
            pass.grant.rules = rules.iter().map(rule).collect();
            Self {
                auth: Arc::new(Auth::open()),
                pass: Arc::new(pass),
            }
        }
    }

    #[test]
    fn what_a_grant_lacks_is_refused_where_it_lacks_it() {
        let caller = Caller::with(&[("team", "a/*", "read"), ("*", "*", "history")]);
        let document = |name| DocumentKey::new("team", name).unwrap();
        assert!(caller.may(&document("a/1"), Capability::Read).is_ok());
        let lacks = |of| Err(Problem::forbidden(Capability::Read, of));
        assert_eq!(
            caller.may(&document("b"), Capability::Read),
            lacks("this document")
        );
        assert_eq!(
            caller.may_in("other", Capability::Read),
            lacks("this workspace")
        );
        assert_eq!(
            caller.may_everywhere(Capability::Read),
            lacks("all documents")
        );
        assert!(caller.may_in("team", Capability::Read).is_ok());
        assert!(caller.may_everywhere(Capability::History).is_ok());
        assert!(caller.may_somewhere(Capability::Admin).is_err());
    }

    #[test]
    fn who_showed_nothing_is_asked_for_a_token() {
        let mut caller = Caller::with(&[]);
        Arc::make_mut(&mut caller.pass).grant.principal = None;
        let lacks = caller.may_somewhere(Capability::Read);
        assert_eq!(lacks, Err(Problem::token_needed()));
    }

    #[test]
    fn a_name_cannot_forge_a_line_of_the_log() {
        let mut caller = Caller::with(&[]);
        let name = Author::new("ada\n\u{1b}[31mroot");
        Arc::make_mut(&mut caller.pass).grant.principal = Some(name);
        assert_eq!(caller.to_string(), r#""ada\n\u{1b}[31mroot""#);
    }
}
