//! What the API tells of a document's past, and what its vector clocks say about who had been shown what.
//!
//! A change came after another if its context covers that one's dot, or if both came over one connection and it counts
//! more. Of two that are neither, nobody had been shown either when the other was made.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// The name of a change: its replica, and its counter in the lane of that.
pub type Dot = (u64, u64);
/// The latest counter of each replica.
pub type Clock = BTreeMap<u64, u64>;

/// A timeline, as a node tells it.
#[derive(Clone, Debug, Default)]
pub struct History {
    changes: BTreeMap<Dot, Told>,
    /// Those, in the order of the timeline.
    timeline: Vec<Dot>,
}

#[derive(Clone, Debug)]
struct Told {
    connection: u64,
    context: Clock,
}

impl History {
    /// Reads the items of a timeline.
    ///
    /// # Errors
    /// Orders do not grow, a lane does not count 1, 2, 3 …, or a change is there that an item has no place for.
    pub fn read(items: &[Value]) -> Result<Self> {
        let (mut history, mut before) = (Self::default(), 0);
        for item in items {
            let number = |field: &str| {
                let number = item[field].as_u64();
                number.with_context(|| format!("a change has {field}: {item}"))
            };
            let (order, dot) = (number("order")?, (number("replica")?, number("counter")?));
            ensure!(order > before, "order {order} follows {before}");
            before = order;
            let last = history.heads().get(&dot.0).copied().unwrap_or(0);
            ensure!(
                dot.1 == last + 1,
                "in the lane of {}, {} follows {last}",
                dot.0,
                dot.1
            );
            let told = Told {
                connection: number("connection")?,
                context: read_clock(&item["context"])?,
            };
            history.changes.insert(dot, told);
            history.timeline.push(dot);
        }
        Ok(history)
    }

    /// How many changes there are.
    pub fn len(&self) -> usize {
        self.timeline.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.timeline.is_empty()
    }

    /// The changes, in the order of the timeline.
    pub fn timeline(&self) -> &[Dot] {
        &self.timeline
    }

    /// The end of each lane.
    pub fn heads(&self) -> Clock {
        let mut heads = Clock::new();
        for (replica, counter) in self.changes.keys() {
            heads.insert(*replica, *counter);
        }
        heads
    }

    /// Whether whoever made one change had been shown the other, or had made it.
    pub fn came_after(&self, later: Dot, earlier: Dot) -> bool {
        let (Some(after), Some(before)) = (self.changes.get(&later), self.changes.get(&earlier))
        else {
            return false;
        };
        let own = later.0 == earlier.0 && after.connection == before.connection;
        covers(&after.context, earlier) || (own && later.1 > earlier.1)
    }

    /// What is known of a change, for messages.
    pub fn about(&self, dot: Dot) -> String {
        format!("{dot:?} ({:?})", self.changes.get(&dot))
    }

    /// The order extends causality, and causality is closed: each change stands after all that its author had been shown,
    /// and whoever was shown a change was shown all that this one's author had been shown.
    ///
    /// # Errors
    /// A change of which that is not so.
    pub fn check(&self) -> Result<()> {
        let mut here = Clock::new();
        // For each change, all that anybody had seen who wrote to its lane until then.
        let mut behind: BTreeMap<Dot, Clock> = BTreeMap::new();
        for dot in &self.timeline {
            let context = &self.changes[dot].context;
            for seen in context
                .iter()
                .map(|(replica, counter)| (*replica, *counter))
            {
                ensure!(
                    covers(&here, seen),
                    "{dot:?} builds upon {seen:?}, which stands after it"
                );
                let missing = behind[&seen]
                    .iter()
                    .find(|it| !covers(context, (*it.0, *it.1)));
                ensure!(
                    missing.is_none(),
                    "{dot:?} has seen {seen:?}, but not {missing:?} upon which that builds"
                );
            }
            let mut all = behind.get(&(dot.0, dot.1 - 1)).cloned().unwrap_or_default();
            for (replica, counter) in context {
                let most = all.entry(*replica).or_default();
                *most = (*most).max(*counter);
            }
            behind.insert(*dot, all);
            here.insert(dot.0, dot.1);
        }
        Ok(())
    }
}

/// A clock as the API writes one.
///
/// # Errors
/// It is none.
pub fn read_clock(clock: &Value) -> Result<Clock> {
    let heads = clock
        .as_object()
        .with_context(|| format!("not a clock: {clock}"))?;
    let heads = heads.iter().map(|(replica, counter)| {
        let counter = counter.as_u64().context("a counter is a number")?;
        Ok((replica.parse()?, counter))
    });
    heads.collect()
}

fn covers(clock: &Clock, (replica, counter): Dot) -> bool {
    clock.get(&replica).is_some_and(|head| *head >= counter)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn change(order: u64, dot: Dot, connection: u64, context: &Value) -> Value {
        json!({"order": order, "replica": dot.0, "counter": dot.1, "connection": connection, "context": context})
    }

    #[test]
    fn what_came_after_what_is_told_from_contexts_and_connections() -> Result<()> {
        let history = History::read(&[
            change(1, (1, 1), 7, &json!({})),
            change(2, (1, 2), 8, &json!({})),
            change(3, (1, 3), 7, &json!({})),
            change(5, (2, 1), 7, &json!({"1": 1})),
        ])?;
        history.check()?;
        assert!(history.came_after((2, 1), (1, 1)) && !history.came_after((1, 1), (2, 1)));
        assert!(history.came_after((1, 3), (1, 1)), "its author made both");
        assert!(!history.came_after((1, 2), (1, 1)) && !history.came_after((1, 1), (1, 2)));
        assert!(
            !history.came_after((2, 1), (1, 3)),
            "another node's connection"
        );
        assert_eq!(history.heads(), Clock::from([(1, 3), (2, 1)]));
        Ok(())
    }

    #[test]
    fn the_checks_bite() -> Result<()> {
        let first = change(1, (1, 1), 7, &json!({}));
        let second = change(2, (2, 1), 7, &json!({"1": 1}));
        let hole = [first.clone(), change(2, (1, 3), 7, &json!({}))];
        assert!(History::read(&hole).is_err(), "a hole");
        assert!(
            History::read(&[second.clone(), first.clone()]).is_err(),
            "out of order"
        );
        let early = [
            change(1, (2, 1), 7, &json!({"1": 1})),
            change(2, (1, 1), 7, &json!({})),
        ];
        assert!(
            History::read(&early)?.check().is_err(),
            "before what it builds upon"
        );
        let open = [first, second, change(3, (3, 1), 7, &json!({"2": 1}))];
        assert!(
            History::read(&open)?.check().is_err(),
            "without what that builds upon"
        );
        Ok(())
    }
}
