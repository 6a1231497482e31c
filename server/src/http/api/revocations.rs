//! What was taken away before it expired. It holds for everybody who comes as soon as it is kept, and for those who are here
//! within moments.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use engine::{Author, Capability, DocumentKey, Order};
use storage::{RevocationEntry, Revoked};
use tracing::info;

use super::caller::Caller;
use super::cursor::{Side, cut};
use super::model::{NewRevocation, Revocation, RevocationPage};
use super::request::{
    Body, DEFAULT_WORKSPACE, Number, NumberPath, PageQuery, Parameters, bad_cursor, limit,
};
use crate::http::App;
use crate::http::problem::Problem;
use crate::place::parse_timestamp;

/// Lists what was revoked and may be lifted by the token, the oldest first.
#[utoipa::path(
    get,
    path = "/api/v1/revocations",
    operation_id = "listRevocations",
    security(("bearer" = ["admin"])),
    params(PageQuery),
    responses(
        (status = 200, description = "A page of revocations", body = RevocationPage),
        (status = 400, description = "A parameter cannot be read"),
    )
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<RevocationPage>, Problem> {
    caller.may_somewhere(Capability::Admin)?;
    let limit = limit(query.limit.as_deref())?;
    let after = match query.cursor.as_deref().map(Side::read) {
        None => 0,
        Some(Some(Side::After(Order(number)))) => number,
        Some(_) => return Err(bad_cursor()),
    };
    app.hub.look_up_revoked().await?;
    let found = app.hub.world().auth.revocations();
    let mut found: Vec<_> = found
        .into_iter()
        .filter(|it| it.number > after && may_change(&caller, &it.revocation.revoked).is_ok())
        .take(limit + 1)
        .collect();
    let more = cut(&mut found, limit);
    let last = found.last().filter(|_| more);
    let next_cursor = last.map(|entry| Side::After(Order(entry.number)).cursor());
    let items = found.into_iter().map(Revocation::from).collect();
    Ok(Json(RevocationPage { items, next_cursor }))
}

/// Revokes what was issued until now to a user, with an id, or for a document. Whoever uses it is shut out at once. For a
/// document this takes the capability `admin` there, for users and tokens everywhere. Revoking the same again takes in what
/// was issued since.
#[utoipa::path(
    post,
    path = "/api/v1/revocations",
    operation_id = "revoke",
    security(("bearer" = ["admin"])),
    request_body = NewRevocation,
    responses(
        (status = 201, description = "The revocation", body = Revocation),
        (status = 400, description = "The body is not JSON"),
        (status = 413, description = "The body is longer than 16 KiB"),
        (status = 415, description = "The body does not say that it is JSON"),
        (status = 422, description = "Not exactly one thing is named, or a field cannot be read"),
        (status = 507, description = "As many revocations are kept as may be"),
    )
)]
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(new): Body<NewRevocation>,
) -> Result<impl IntoResponse, Problem> {
    let revoked = what(&new)?;
    may_change(&caller, &revoked)?;
    let now_ms = app.hub.world().clock.now().wall_ms;
    let until = |text| until(text, now_ms);
    let until_ms = new.until.as_deref().map(until).transpose()?;
    let reason = reason(new.reason.unwrap_or_default())?;
    let auth = &app.hub.world().auth;
    let author = caller.author();
    let entry = auth.revoke(revoked, until_ms, author, reason).await?;
    info!(revoked = ?entry.revocation.revoked, by = %caller, "revoked");
    app.hub.say_revoked();
    app.hub.revoked().await;
    Ok((StatusCode::CREATED, Json(Revocation::from(entry))))
}

/// Lifts a revocation: what it was about and has not expired is good again.
#[utoipa::path(
    delete,
    path = "/api/v1/revocations/{id}",
    operation_id = "liftRevocation",
    security(("bearer" = ["admin"])),
    params(NumberPath),
    responses(
        (status = 204, description = "It is lifted"),
        (status = 404, description = "There is no such revocation that the token may lift"),
        (status = 422, description = "The id is no number"),
    )
)]
pub(super) async fn lift(
    State(app): State<Arc<App>>,
    caller: Caller,
    Number(number): Number,
) -> Result<StatusCode, Problem> {
    caller.may_somewhere(Capability::Admin)?;
    app.hub.look_up_revoked().await?;
    let auth = &app.hub.world().auth;
    let is_it = |it: &RevocationEntry| it.number == number;
    let found = auth.revocations().into_iter().find(is_it);
    let entry = found.ok_or_else(no_such_revocation)?;
    // Whoever may not lift it does not hear that it is there.
    may_change(&caller, &entry.revocation.revoked).map_err(|_| no_such_revocation())?;
    if !auth.lift_revocation(number).await? {
        return Err(no_such_revocation());
    }
    app.hub.say_revoked();
    info!(revoked = ?entry.revocation.revoked, by = %caller, "revocation lifted");
    Ok(StatusCode::NO_CONTENT)
}

/// Whoever administers a document may lift what was revoked there, although it covers their own token as well.
fn may_change(caller: &Caller, revoked: &Revoked) -> Result<(), Problem> {
    match revoked {
        Revoked::Document(document) => caller.is_granted(document, Capability::Admin),
        Revoked::User(_) | Revoked::Token(_) => caller.may_everywhere(Capability::Admin),
    }
}

/// What is to be revoked.
fn what(new: &NewRevocation) -> Result<Revoked, Problem> {
    match (&new.user, &new.token, &new.document) {
        (_, _, None) if new.workspace.is_some() => {
            let detail =
                "body: workspace only goes with document; name the document, or leave it out";
            Err(Problem::unprocessable("invalid_body", detail))
        }
        (Some(user), None, None) => Ok(Revoked::User(Author::new(id("user", user)?))),
        (None, Some(token), None) => Ok(Revoked::Token(id("token", token)?.into())),
        (None, None, Some(document)) => {
            let workspace = new.workspace.as_deref().unwrap_or(DEFAULT_WORKSPACE);
            Ok(Revoked::Document(DocumentKey::new(workspace, document)?))
        }
        _ => {
            let detail = "body: user, token and document each name something to revoke; give exactly one of them";
            Err(Problem::unprocessable("invalid_body", detail))
        }
    }
}

fn id<'a>(field: &str, text: &'a str) -> Result<&'a str, Problem> {
    let is_id = (1..=ID_BYTES_MAX).contains(&text.len());
    is_id.then_some(text).ok_or_else(|| {
        let detail = format!(
            "{field} has {} bytes, expected 1 to {ID_BYTES_MAX}; give it as it stands in the token",
            text.len()
        );
        Problem::unprocessable("invalid_body", detail)
    })
}

fn until(text: &str, now_ms: u64) -> Result<u64, Problem> {
    let until_ms = parse_timestamp(text).filter(|until_ms| *until_ms > now_ms);
    until_ms.ok_or_else(|| {
        let detail =
            format!("until is {text:?}, expected a time to come such as 2036-11-20T09:30:00Z");
        Problem::unprocessable("invalid_body", detail)
    })
}

fn reason(text: String) -> Result<String, Problem> {
    if text.len() > REASON_BYTES_MAX {
        let bytes = text.len();
        let detail = format!("reason has {bytes} bytes, expected at most {REASON_BYTES_MAX}");
        return Err(Problem::unprocessable("invalid_body", detail));
    }
    Ok(text)
}

fn no_such_revocation() -> Problem {
    let detail = "there is no such revocation, or it is not yours to lift; those that are, are listed under /api/v1/revocations";
    Problem::new(StatusCode::NOT_FOUND, "revocation_not_found", detail)
}

/// Names of users and ids of tokens. A token is at most eight times as long.
const ID_BYTES_MAX: usize = 1_024;
const REASON_BYTES_MAX: usize = 1_024;
