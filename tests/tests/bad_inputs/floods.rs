//! 13 and 14: more of what is allowed than anybody needs. A flood slows its own socket alone.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use quire_tests::client::Client;
use quire_tests::frames;
use quire_tests::socket::Socket;
use tokio_tungstenite::tungstenite::Message;

use super::row::{BAD_FRAME, CameBack, Row, Wanted};
use super::yard::{WARD, end_of};

pub(crate) fn rows() -> Vec<Row> {
    let ping = Message::Ping(Bytes::from_static(&[7; 125]));
    let query = Message::Binary(Bytes::from_static(&[3]));
    let nobody = Message::Binary(frames::presence(&[]));
    let nothing = Message::Binary(frames::update(&[0, 0]));
    let have = Message::Binary(frames::have(&[0]));
    vec![
        flood(13, "a flood of pings, answers read", ping.clone(), true),
        flood(13, "a flood of pings, answers never read", ping, false),
        Row::own(
            14,
            "a flood of empty messages",
            BAD_FRAME,
            |address| async move {
                let mut flooder = Client::join(address, WARD, 9).await?.socket;
                for _ in 0..FLOOD {
                    if flooder
                        .send_message(Message::Binary(Bytes::new()))
                        .await
                        .is_err()
                    {
                        break;
                    }
                }
                end_of(flooder).await
            },
        ),
        flood(14, "a flood of questions who is here", query, true),
        flood(14, "a flood of presence of nobody", nobody, true),
        flood(14, "a flood of updates without content", nothing, true),
        flood(14, "a flood of step 1, answers read", have.clone(), true),
        flood(14, "a flood of step 1, answers never read", have, false),
    ]
}

fn flood(number: u8, name: &str, message: Message, reads: bool) -> Row {
    // One that never reads may be closed when there is something to tell it.
    let wanted = if reads {
        Wanted::Served
    } else {
        Wanted::Either(&[Wanted::Served, Wanted::Gone])
    };
    let row = Row::own(number, name, wanted, move |address| {
        pour(address, message, reads)
    });
    // A mailbox and an outbox full of what is small, and what the allocator makes of that.
    row.may_take(96, Duration::from_secs(20))
}

async fn pour(address: SocketAddr, message: Message, reads: bool) -> Result<CameBack> {
    let mut flooder = Socket::connect(address, &format!("/{WARD}")).await?;
    for _ in 0..FLOOD {
        if flooder.feed(message.clone()).await.is_err() && !reads {
            return Ok(CameBack::Gone);
        }
        while reads && flooder.try_next().is_some() {}
    }
    end_of(flooder).await
}

const FLOOD: usize = 100_000;
