//! Payments over a lane all the time, and whether every question is answered.

use crate::world::World;
use catenary_links::Reply;
use catenary_relay::gateway::{GatewayError, SubmitOutcome};
use catenary_runtime::ChainMailbox;
use catenary_sim::setup::{CUSTOMERS, Payment};
use catenary_types::UnixSeconds;
use rand::Rng;
use std::{rc::Rc, time::Duration};
use tokio::{task::spawn_local, time::sleep};

/// Payments that are usually made at a time.
const AT_ONCE_MAX: usize = 4;
/// Payments of a rush: more than a small mailbox takes.
const RUSH: usize = 24;

impl World {
    /// Has customers pay until the faults are over.
    pub async fn pay(self: Rc<Self>) {
        while !self.is_calm() {
            let pause = self.draw(|rng| rng.random_range(100..1_000));
            sleep(Duration::from_millis(pause)).await;
            let at_once = self.draw(|rng| match rng.random_bool(0.05) {
                true => RUSH,
                false => rng.random_range(1..=AT_ONCE_MAX),
            });
            let node = self.draw(|rng| rng.random_range(0..self.nodes()));
            (0..at_once).for_each(|_| self.pay_once(node));
        }
    }

    fn pay_once(self: &Rc<Self>, node: usize) {
        let number = self.next_payment();
        let now = self.unix_seconds();
        let payment = self.draw(|rng| {
            let lane = rng.random_range(0..self.setup.lanes.len());
            Payment {
                customer: rng.random_range(0..CUSTOMERS),
                receiver: rng.random_range(0..CUSTOMERS),
                amount: rng.random_range(1..1_000),
                timeout: UnixSeconds(now.0 + rng.random_range(2..40)),
                number: 100 + number,
                from: self.setup.lanes[lane][rng.random_range(0..2)].clone(),
            }
        });
        let (chain, envelope) = (payment.from.0, self.setup.payment(&payment));
        let Some(mailbox) = self.mailbox(node, chain) else { return };
        let world = self.clone();
        spawn_local(async move {
            let outcome = world.submit(node, &mailbox, envelope).await;
            world.say("payment answered", || format!("{number} node {node} chain {chain}: {outcome:?}"));
        });
    }

    /// Submits a transaction, and expects an answer of whatever kind: a submission that nobody answers is lost.
    pub async fn submit(
        &self,
        node: usize,
        mailbox: &ChainMailbox,
        envelope: Vec<u8>,
    ) -> Reply<Vec<SubmitOutcome>> {
        let submitted = mailbox.submit(vec![envelope]);
        let answer = self.answer(node, "every submission is answered", submitted).await;
        let answer = answer.unwrap_or_else(|| Err(GatewayError::Unavailable("the node was killed".into())));
        match &answer {
            Ok(outcomes) if matches!(outcomes[..], [SubmitOutcome::Accepted(_)]) => self.count("accepted"),
            Ok(_) => self.count("refused"),
            Err(GatewayError::Busy) => self.count("busy"),
            Err(_) => self.count("unavailable"),
        }
        answer
    }
}
