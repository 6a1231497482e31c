//! The servers that a bus has to do with: one, or the masters of a Redis Cluster, each with what is its.
//!
//! Every server that is connected to says now and then who has what, and what most of them say holds. When that changes,
//! servers come and go, and what is listened to and what waits to be said goes over to whoever has it now. Words get
//! through if all servers answer, say the same, and are subscribed to; where that was not so for a moment, it takes a while
//! until it counts as so again, so that nodes have looked at the store, and not a hundred times while slots are moved one by one.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::{ConnectionAddr, ConnectionInfo};
use tokio::task::JoinHandle;

use super::hearing::Hearing;
use super::queue::Item;
use super::server::{Server, Spread};
use super::slots::{Place, slot};
use crate::bus::Counters;

/// All servers, and who has what.
pub(super) struct Servers {
    /// How to connect to any of them.
    info: ConnectionInfo,
    /// The one that was named.
    home: Place,
    hearing: Arc<Hearing>,
    counters: Arc<Counters>,
    set: Mutex<Set>,
}

struct Set {
    servers: Vec<Arc<Server>>,
    spread: Spread,
    /// Whether words have got through before.
    was_up: bool,
    /// When it last was not so.
    troubled: Instant,
    is_closed: bool,
}

/// Starts what keeps a server connected.
type Start<'a> = &'a dyn Fn(&Arc<Server>) -> JoinHandle<()>;

impl Servers {
    pub(super) fn new(
        info: ConnectionInfo,
        hearing: Arc<Hearing>,
        counters: Arc<Counters>,
    ) -> Self {
        let home = match info.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => Place {
                host: host.clone(),
                port: *port,
            },
            other => Place {
                host: other.to_string(),
                port: 0,
            },
        };
        Self {
            info,
            home,
            hearing,
            counters,
            set: Mutex::new(Set {
                servers: Vec::new(),
                spread: Spread::Alone,
                was_up: false,
                troubled: Instant::now(),
                is_closed: false,
            }),
        }
    }

    /// Begins with the one that was named.
    pub(super) fn begin(&self, start: Start<'_>) -> redis::RedisResult<()> {
        let mut set = self.lock();
        let home = self.server(&self.home)?;
        self.add(&mut set, home, start);
        self.hand_over(&set);
        Ok(())
    }

    pub(super) fn listen(&self, channel: Arc<str>) {
        let set = self.lock();
        self.hearing.want(channel.clone());
        if let Some(server) = self.holder(&set, slot(&channel)) {
            server.channels.want(channel);
        }
    }

    pub(super) fn ignore(&self, channel: &str) {
        let set = self.lock();
        self.hearing.forget(channel);
        if let Some(server) = self.holder(&set, slot(channel)) {
            server.channels.forget(channel);
        }
    }

    /// Who has what is in a slot; nobody, if the cluster is not whole.
    pub(super) fn of(&self, slot: u16) -> Option<Arc<Server>> {
        self.holder(&self.lock(), slot).cloned()
    }

    /// Takes what is to be said.
    pub(super) fn push(&self, item: Item) {
        self.push_in(&self.lock(), item);
    }

    /// A server has said who has what.
    pub(super) fn saw(&self, server: &Server, view: Spread, start: Start<'_>) {
        server.saw(view);
        let mut set = self.lock();
        let spread = set.vote();
        if spread != set.spread {
            set.spread = spread;
            self.tend(&mut set, start);
            self.hand_over(&set);
        }
    }

    /// All are to be asked who has what, at once.
    pub(super) fn look(&self) {
        self.lock()
            .servers
            .iter()
            .for_each(|it| it.look.notify_one());
    }

    /// Why words do not get through, or not those of all documents; none if all do.
    pub(super) fn trouble(&self, start: Start<'_>) -> Option<String> {
        let mut set = self.lock();
        self.tend(&mut set, start);
        if set.is_closed {
            return Some("closed".to_owned());
        }
        let trouble = self.current_trouble(&set);
        if trouble.is_some() && set.was_up {
            set.troubled = Instant::now();
        }
        let is_over =
            !set.was_up || set.spread == Spread::Alone || set.troubled.elapsed() > SETTLED;
        set.was_up |= trouble.is_none();
        trouble.or_else(|| (!is_over).then(|| "the Redis Cluster has just changed".to_owned()))
    }

    /// Lets go of all servers, and says whom to wait for.
    pub(super) fn close(&self) -> Vec<(Arc<Server>, JoinHandle<()>)> {
        let mut set = self.lock();
        set.is_closed = true;
        let servers = set.servers.iter();
        let closing = servers.filter_map(|it| Some((it.clone(), it.close()?)));
        closing.collect()
    }

    pub(super) fn abort(&self) {
        self.lock().servers.iter().for_each(|it| it.abort());
    }

    fn current_trouble(&self, set: &Set) -> Option<String> {
        let slots = match &set.spread {
            Spread::Alone => return set.trouble_at(&self.home),
            Spread::Over(slots) => slots,
        };
        if slots.missing() > 0 {
            let missing = slots.missing();
            return Some(format!(
                "no server of the Redis Cluster has {missing} of its slots"
            ));
        }
        for place in slots.places() {
            if let Some(trouble) = set.trouble_at(place) {
                return Some(format!("{trouble} ({place} of the Redis Cluster)"));
            }
        }
        let servers = || {
            set.servers
                .iter()
                .filter(|it| slots.places().contains(&it.place))
        };
        if servers().any(|it| it.view().as_ref() != Some(&set.spread)) {
            return Some(
                "the servers of the Redis Cluster do not agree on who has what".to_owned(),
            );
        }
        let is_heard = servers().all(|it| it.channels.are_heard());
        (!is_heard).then(|| "the Redis Cluster hands slots over".to_owned())
    }

    fn holder<'a>(&self, set: &'a Set, slot: u16) -> Option<&'a Arc<Server>> {
        match &set.spread {
            Spread::Alone => set.find(&self.home),
            Spread::Over(slots) => set.find(slots.place_of(slot)?),
        }
    }

    /// Those are connected to that have something; and the one that was named, by whose name others may be found, while
    /// none of them answers.
    fn tend(&self, set: &mut Set, start: Start<'_>) {
        let mut needed: Vec<_> = match &set.spread {
            Spread::Alone => vec![self.home.clone()],
            Spread::Over(slots) => slots.places().into_iter().cloned().collect(),
        };
        let answers = |place: &Place| set.find(place).is_some_and(|it| it.trouble().is_none());
        if !needed.iter().any(answers) && !needed.contains(&self.home) {
            needed.push(self.home.clone());
        }
        let (kept, gone) = std::mem::take(&mut set.servers)
            .into_iter()
            .partition::<Vec<_>, _>(|it| needed.contains(&it.place));
        set.servers = kept;
        for place in needed {
            if set.find(&place).is_none()
                && let Ok(server) = self.server(&place)
            {
                self.add(set, server, start);
            }
        }
        for server in gone {
            for item in server.queue.take_strays(|_| true) {
                self.push_in(set, item);
            }
            server.close();
        }
    }

    fn add(&self, set: &mut Set, server: Server, start: Start<'_>) {
        if set.is_closed {
            return;
        }
        let server = Arc::new(server);
        server.runs(start(&server));
        set.servers.push(server);
    }

    /// What is listened to and what waits goes to whoever has it.
    fn hand_over(&self, set: &Set) {
        for channel in self.hearing.wanted() {
            let holder = self.holder(set, slot(&channel));
            let others = set.servers.iter().filter(|it| !is(holder, it));
            others.for_each(|it| it.channels.forget(&channel));
            if let Some(holder) = holder {
                holder.channels.take_over(&channel);
            }
        }
        for server in &set.servers {
            let is_stray = |slot| !is(self.holder(set, slot), server);
            for item in server.queue.take_strays(is_stray) {
                self.push_in(set, item);
            }
        }
    }

    /// What nobody would hear is dropped.
    fn push_in(&self, set: &Set, item: Item) {
        match self.holder(set, item.slot) {
            Some(server) => server.queue.push(item),
            None => self.counters.dropped.add(u64::from(item.is_word)),
        }
    }

    fn server(&self, place: &Place) -> redis::RedisResult<Server> {
        let (host, port) = (place.host.clone(), place.port);
        let at = match self.info.addr().clone() {
            ConnectionAddr::Tcp(..) => ConnectionAddr::Tcp(host, port),
            ConnectionAddr::TcpTls {
                insecure,
                tls_params,
                ..
            } => ConnectionAddr::TcpTls {
                host,
                port,
                insecure,
                tls_params,
            },
            other => other,
        };
        let client = redis::Client::open(self.info.clone().set_addr(at))?;
        Ok(Server::new(place.clone(), client, self.counters.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, Set> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Set {
    fn find(&self, place: &Place) -> Option<&Arc<Server>> {
        self.servers.iter().find(|it| it.place == *place)
    }

    fn trouble_at(&self, place: &Place) -> Option<String> {
        match self.find(place) {
            Some(server) => server.trouble(),
            None => Some("not connected yet".to_owned()),
        }
    }

    /// What most of those say that say anything; what held so far, if others are not more.
    fn vote(&self) -> Spread {
        let views: Vec<_> = self.servers.iter().filter_map(|it| it.view()).collect();
        let votes = |spread: &Spread| views.iter().filter(|it| *it == spread).count();
        let best = views.iter().max_by_key(|it| votes(it));
        match best {
            Some(best) if votes(best) > votes(&self.spread) => best.clone(),
            _ => self.spread.clone(),
        }
    }
}

fn is(holder: Option<&Arc<Server>>, server: &Arc<Server>) -> bool {
    holder.is_some_and(|it| Arc::ptr_eq(it, server))
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Servers").finish_non_exhaustive()
    }
}

/// Longer than the pauses in which nodes look whether the bus is up, and who is there.
const SETTLED: Duration = Duration::from_millis(1_500);
