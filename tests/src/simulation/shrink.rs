//! Shrinking: a failing plan is cut down to the few steps that matter (delta debugging), and those are made simpler.
//!
//! A smaller plan counts only if the same check still fails. Steps can be left out freely because one that has lost its
//! meaning does nothing.

use super::checks::Check;
use super::plan::{Edit, Plan, Step};
use super::play;

/// The shortest plan found on which the same check fails, after at most so many tries.
pub fn shrink(plan: &Plan, check: Check, tries: usize) -> Plan {
    let mut shrinking = Shrinking {
        plan: plan.clone(),
        check,
        tries,
    };
    shrinking.cut_tail();
    loop {
        let before = shrinking.plan.clone();
        shrinking.drop_chunks();
        shrinking.simplify();
        if shrinking.plan == before || shrinking.tries == 0 {
            return shrinking.plan;
        }
    }
}

struct Shrinking {
    plan: Plan,
    check: Check,
    tries: usize,
}

impl Shrinking {
    /// What comes after the failure did not cause it.
    fn cut_tail(&mut self) {
        let played = play(&self.plan);
        if played
            .violation
            .is_some_and(|violation| violation.check == self.check)
        {
            self.plan.steps.truncate(played.steps);
        }
    }

    /// Leaves steps out: first many at a time, in the end one by one.
    fn drop_chunks(&mut self) {
        let mut size = self.plan.steps.len() / 2;
        while size > 0 {
            let mut at = self.plan.steps.len();
            while at > 0 {
                at = at.saturating_sub(size);
                self.try_without(at, size);
            }
            size /= 2;
        }
    }

    fn try_without(&mut self, at: usize, size: usize) {
        let mut smaller = self.plan.clone();
        let end = (at + size).min(smaller.steps.len());
        smaller.steps.drain(at.min(end)..end);
        self.try_plan(smaller);
    }

    /// Makes the setup and each step simpler where that keeps the failure.
    fn simplify(&mut self) {
        for fewer in [simpler_nodes, simpler_documents, simpler_clients] {
            let mut simpler = self.plan.clone();
            fewer(&mut simpler);
            self.try_plan(simpler);
        }
        for at in 0..self.plan.steps.len() {
            for step in simpler_steps(&self.plan.steps[at]) {
                let mut simpler = self.plan.clone();
                simpler.steps[at] = step;
                self.try_plan(simpler);
            }
        }
    }

    fn try_plan(&mut self, plan: Plan) {
        if self.tries == 0 || plan == self.plan {
            return;
        }
        self.tries -= 1;
        let violation = play(&plan).violation;
        if violation.is_some_and(|violation| violation.check == self.check) {
            self.plan = plan;
        }
    }
}

fn simpler_nodes(plan: &mut Plan) {
    plan.setup.nodes = (plan.setup.nodes - 1).max(1);
    plan.setup.skews_ms = vec![0; plan.setup.nodes];
}

fn simpler_documents(plan: &mut Plan) {
    plan.setup.documents = 1;
}

fn simpler_clients(plan: &mut Plan) {
    plan.setup.clients = (plan.setup.clients - 1).max(1);
}

/// The same step with smaller arguments.
fn simpler_steps(step: &Step) -> Vec<Step> {
    match step {
        Step::Edit { client, edit } => {
            let client = *client;
            let simple = [
                Edit::Type {
                    at: 0,
                    text: "a".to_owned(),
                },
                Edit::Set {
                    key: "k".to_owned(),
                    value: 0,
                },
            ];
            let simple = simple.into_iter().filter(|simple| {
                !matches!(edit, Edit::Type { at: 0, .. } | Edit::Set { .. }) && simple != edit
            });
            simple.map(|edit| Step::Edit { client, edit }).collect()
        }
        Step::Upload { client, frames } if *frames > 1 => vec![Step::Upload {
            client: *client,
            frames: 1,
        }],
        Step::Run { node, mails } if *mails > 1 => vec![Step::Run {
            node: *node,
            mails: 1,
        }],
        Step::Store { pick, fate } if *pick > 0 => vec![Step::Store {
            pick: 0,
            fate: *fate,
        }],
        Step::Bus { pick, fate } if *pick > 0 => vec![Step::Bus {
            pick: 0,
            fate: *fate,
        }],
        Step::Calm { rounds } if *rounds > 1 => vec![Step::Calm { rounds: 1 }],
        Step::Quiesce => vec![Step::Calm { rounds: 6 }],
        _ => Vec::new(),
    }
}
