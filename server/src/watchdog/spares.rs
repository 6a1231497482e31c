//! Spare threads of the runtime: they rest until others are lost to documents that do not come back.
//!
//! A runtime has a fixed number of threads, and one that is at something can not be taken off it. So there are a few more
//! than there are processors. Were they awake all the time they would be woken with every message, to find that others
//! had done the work, which took about a tenth of the time on one processor. So they are kept from it, each by a task
//! that blocks it, and the watchdog lets go of as many as are missing.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;

/// The spare threads of a runtime. They all go back to work when this is dropped.
#[derive(Debug)]
pub(crate) struct Spares {
    all: usize,
    runtime: Handle,
    bench: Arc<Bench>,
}

/// Where they rest.
#[derive(Debug, Default)]
struct Bench {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// How many are to rest.
    places: usize,
    /// How many do, or are about to.
    resting: usize,
}

impl Spares {
    /// Has so many threads of a runtime rest, which must have more.
    pub(crate) fn rest(all: usize, runtime: Handle) -> Self {
        let spares = Self {
            all,
            runtime,
            bench: Arc::default(),
        };
        spares.wake(0);
        spares
    }

    /// Has so many of them at work, if there are as many, and the others rest.
    pub(crate) fn wake(&self, count: usize) {
        let mut state = self.bench.state();
        state.places = self.all.saturating_sub(count);
        let missing = state.places.saturating_sub(state.resting);
        state.resting += missing;
        drop(state);
        self.bench.changed.notify_all();
        for _ in 0..missing {
            self.runtime.spawn(sit_down(self.bench.clone()));
        }
    }
}

impl Drop for Spares {
    fn drop(&mut self) {
        self.wake(self.all);
    }
}

/// Blocks the thread that this runs on. What waits in that thread's queue is taken over by others, but not what is to run
/// there next: that is a task which nobody waits for, and to make it so is to wake another thread for the rest. Nor is a
/// task that has just given way on that thread: so it goes back to work for a moment now and then.
async fn sit_down(bench: Arc<Bench>) {
    loop {
        for _ in 0..2 {
            tokio::spawn(async {});
        }
        if bench.rest() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

impl Bench {
    /// Rests for a while. True if there is no place any more.
    fn rest(&self) -> bool {
        let state = self.state();
        let has_place = |state: &mut State| state.resting <= state.places;
        let woken = self.changed.wait_timeout_while(state, REST, has_place);
        let (mut state, _) = woken.unwrap_or_else(PoisonError::into_inner);
        let is_over = state.resting > state.places;
        state.resting -= usize::from(is_over);
        is_over
    }

    /// A panic elsewhere can not leave the numbers half changed, so a poisoned lock is as good as any.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The longest that a task waits which gave way on a thread that then rested. It takes a few microseconds each time.
const REST: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use tokio::runtime::{Builder, Runtime};

    use super::*;

    fn runtime(threads: usize) -> Runtime {
        Builder::new_multi_thread()
            .worker_threads(threads)
            .build()
            .unwrap()
    }

    fn resting(spares: &Spares) -> usize {
        spares.bench.state().resting
    }

    #[test]
    fn a_spare_does_the_work_of_a_thread_that_is_lost() {
        let runtime = runtime(2);
        let spares = Spares::rest(1, runtime.handle().clone());
        for _ in 0..20 {
            let (come_back, lost) = channel::<()>();
            let blocked = runtime.spawn(async move { lost.recv() });
            let waits = runtime.spawn(async { 7 });
            spares.wake(1);
            assert_eq!(runtime.block_on(waits).unwrap(), 7);
            drop(come_back);
            assert!(runtime.block_on(blocked).unwrap().is_err());
            spares.wake(0);
            assert_eq!(resting(&spares), 1);
        }
    }

    #[test]
    fn a_task_that_gave_way_on_a_thread_that_rests_goes_on() {
        for _ in 0..3 {
            let runtime = runtime(2);
            let gives_way = || async {
                for _ in 0..1_000 {
                    tokio::task::yield_now().await;
                }
            };
            let working: Vec<_> = (0..8).map(|_| runtime.spawn(gives_way())).collect();
            let spares = Spares::rest(1, runtime.handle().clone());
            for works in working {
                runtime.block_on(works).unwrap();
            }
            assert_eq!(resting(&spares), 1);
        }
    }

    #[test]
    fn work_goes_on_while_spares_rest_and_all_end_with_the_runtime() {
        let runtime = runtime(3);
        let spares = Spares::rest(2, runtime.handle().clone());
        let works = async {
            for number in 0..1_000 {
                assert_eq!(tokio::spawn(async move { number }).await.unwrap(), number);
            }
        };
        runtime.block_on(runtime.spawn(works)).unwrap();
        assert_eq!(resting(&spares), 2);
        drop(spares);
        drop(runtime);
    }
}
