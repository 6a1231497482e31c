//! The same bare fan-out over several WebSocket libraries: what comes from one is copied to everyone on the same path.
//! There is no document, no check and no store, so what is left is what the socket costs.
//!
//! `cargo run --release -- KIND ADDRESS` serves one of them in one thread until it is ended; `quire-bench load --dialect
//! raw` loads it. What was measured stands in `docs/decisions/0003-a-websocket-codec-of-our-own.md`.

mod handshake;
mod over_axum;
mod over_ours;
mod over_tungstenite;
mod over_yawc;
mod room;

use anyhow::{Context, Result, bail};
use tokio::net::TcpListener;
use tokio::runtime::Builder;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let kind = words.next().context(USAGE)?;
    let address = words.next().context(USAGE)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(&kind, &address))
}

async fn serve(kind: &str, address: &str) -> Result<()> {
    let listener = TcpListener::bind(address).await?;
    match kind {
        "axum-4k" => over_axum::serve(listener, 4 * 1024).await,
        "axum-1k" => over_axum::serve(listener, 1024).await,
        "tungstenite-4k" => over_tungstenite::serve(listener, 4 * 1024).await,
        "tungstenite-1k" => over_tungstenite::serve(listener, 1024).await,
        "yawc" => over_yawc::serve(listener, false).await,
        "yawc-deflate" => over_yawc::serve(listener, true).await,
        "ours" => over_ours::serve(listener).await,
        _ => bail!(USAGE),
    }
}

const USAGE: &str = "quire-sockets (axum|tungstenite)-(4k|1k)|yawc|yawc-deflate|ours ADDRESS";
