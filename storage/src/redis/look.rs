//! What a server says of itself: whether it stands alone or is one of a Redis Cluster, and who has what there.

use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, RedisError, ServerErrorKind, Value, cmd};

use super::link::{Ended, said};
use super::server::{Server, Spread};
use super::slots::Slots;

/// Whether the server stands alone, and else who has what.
pub(super) async fn view(
    mut mouth: MultiplexedConnection,
    server: &Server,
) -> Result<Spread, Ended> {
    let hello = mouth.send_packed_command(&cmd("HELLO")).await?;
    match mode(&hello.extract_error()?).as_deref() {
        Some("cluster") => {}
        Some("sentinel") => return Err(Ended::Lost(SENTINEL.to_owned())),
        _ => return Ok(Spread::Alone),
    }
    let slots = cmd("CLUSTER").arg("SLOTS").take();
    let slots = mouth.send_packed_command(&slots).await?.extract_error();
    let slots = slots.map_err(|error| {
        let said = said(&error);
        Ended::Lost(format!(
            "Redis does not tell which server of its cluster has what: {said}"
        ))
    })?;
    Ok(Spread::Over(Slots::read(&slots, &server.place)))
}

/// What a server says that it is.
fn mode(hello: &Value) -> Option<String> {
    let Value::Map(fields) = hello else {
        return None;
    };
    let text = |value: &Value| redis::from_redis_value_ref::<String>(value).ok();
    let mode = fields
        .iter()
        .find(|(name, _)| text(name).as_deref() == Some("mode"));
    mode.and_then(|(_, mode)| text(mode))
}

/// Whether another server has it, or will have it in a moment.
pub(super) fn is_elsewhere(error: &RedisError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Server(
            ServerErrorKind::Moved | ServerErrorKind::Ask | ServerErrorKind::TryAgain
        )
    )
}

const SENTINEL: &str = "that is a Redis Sentinel; give the address of the primary";
