//! Servers that do nothing but copy: what comes in goes out to everyone on the same path, its author included.
//!
//! They hold no document, check nothing and keep nothing, so what they need is the least that a server on these sockets can
//! need. `tungstenite` is the library that most servers in Rust use, with small buffers; `coalesce` writes its frames by hand
//! and sends all that waits in one write.

mod coalesce;
mod rooms;
mod tungstenite;

use std::net::SocketAddr;

use anyhow::Result;
use clap::ValueEnum;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::task::{LocalSet, spawn_local};

/// Which ceiling, and where.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How frames are read and written
    #[arg(long)]
    socket: Socket,
    /// Where to listen
    #[arg(long)]
    listen: SocketAddr,
}

#[derive(Clone, Copy, ValueEnum)]
enum Socket {
    Tungstenite,
    Coalesce,
}

/// Serves until it is ended.
///
/// # Errors
/// It cannot listen.
pub(crate) fn main(args: &Args) -> Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, serve(args))
}

async fn serve(args: &Args) -> Result<()> {
    let listener = TcpListener::bind(args.listen).await?;
    match args.socket {
        Socket::Tungstenite => {
            let rooms = rooms::Rooms::default();
            accept(&listener, |stream| {
                spawn_local(tungstenite::serve(stream, rooms.clone()));
            })
            .await
        }
        Socket::Coalesce => {
            let rooms = rooms::Rooms::default();
            accept(&listener, |stream| {
                spawn_local(coalesce::serve(stream, rooms.clone()));
            })
            .await
        }
    }
}

async fn accept(listener: &TcpListener, serve: impl Fn(TcpStream)) -> Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        serve(stream);
    }
}
