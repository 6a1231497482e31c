//! One event into the outboxes of many. What is allocated is to be the same for one receiver and for a thousand.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Waker};

use divan::Bencher;
use engine::{Audience, ConnectionId, DocumentKey, Event};
use protocol::Dialect;
use protocol::websocket::Frame;
use server::auth::Pass;
use server::mail::Way;
use server::outbox::{Outbox, OutboxLimits};
use server::session::{Member, Members};

use crate::material::{Author, START};

/// The author's own outbox is among them and gets nothing. The outboxes are emptied before each time, as writers do, who keep
/// a queue of their own to change places with.
#[divan::bench(args = [1, 100, 1_000], sample_size = 1)]
fn change(bencher: Bencher, receivers: u64) {
    let pass = Arc::new(Pass::anonymous());
    let document = DocumentKey::new("team", "plan").expect("a name");
    let mut members = Members::new(document);
    let outboxes: Vec<_> = (0..=receivers).map(|_| Outbox::new(LIMITS)).collect();
    for (outbox, who) in outboxes.iter().zip(0..) {
        members.add(Member {
            connection: ConnectionId(who),
            pass: pass.clone(),
            dialect: Dialect::YWebsocket,
            address: None,
            way: Way::Frames(outbox.clone()),
        });
    }
    let payload = Author::with(9, &START).keystroke();
    let event = Event::Change { payload };
    let to = Audience::AllBut([ConnectionId(0)].into());
    let mut writers = vec![VecDeque::new(); outboxes.len()];
    bencher
        .with_inputs(|| outboxes.iter().zip(&mut writers).for_each(empty))
        .bench_local_values(|()| members.send(&to, &event, Some(7)));
}

const LIMITS: OutboxLimits = OutboxLimits {
    frames_max: 1_024,
    bytes_max: 1 << 20,
};

fn empty((outbox, taken): (&Outbox, &mut VecDeque<Frame>)) {
    let _ = outbox.poll_take(&mut Context::from_waker(Waker::noop()), taken);
    taken.clear();
}
