//! A replica whose state is altered stops before it judges, is rebuilt, and names what was altered; one that lives by other
//! rules stays down. The others never notice.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use catenary_apps::{
    admin::{self, Admin, AdminCall},
    asset::{self, Asset},
};
use catenary_ledger::{
    Access, App, Apps, Caller, Checked, Ctx, Failure,
    records::{Account, AdminKey, ReadRecords},
    stores::ADMIN,
};
use catenary_runtime::now;
use catenary_system::testing::{Bank, Group, root, run, settle, soon, until};
use catenary_types::{AccountId, Height, Message, WireError};
use std::sync::atomic::{AtomicU32, Ordering};

/// The validator whose machine errs, and the account that it gets wrong.
const ERRING: usize = 2;
const WRONG: &str = "7";

/// The `admin` app on a machine that gives an account another threshold than it should, so many times.
struct Erring(AtomicU32);

impl App for Erring {
    type Message = AdminCall;

    fn decode(&self, bytes: &[u8]) -> Result<AdminCall, WireError> {
        Admin.decode(bytes)
    }

    fn weight(&self, message: &AdminCall) -> u64 {
        Admin.weight(message)
    }

    fn access(&self, caller: &Caller, message: &AdminCall) -> Access {
        Admin.access(caller, message)
    }

    fn execute(&self, call: Checked<AdminCall>, ctx: &mut Ctx<'_, '_>) -> Result<(), Failure> {
        Admin.execute(call, ctx)?;
        let id = wrong_account();
        let Some(account) = ctx.account(&id).filter(|account| account.opened == ctx.height()) else {
            return Ok(());
        };
        let errs = |left: u32| left.checked_sub(1);
        if self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, errs).is_ok() {
            let account = Account { threshold: 9, ..account };
            ctx.put(ADMIN, AdminKey::Account(&id).bytes(), account.encode());
        }
        Ok(())
    }
}

fn wrong_account() -> AccountId {
    AccountId::new(&"BANK".parse().unwrap(), &WRONG.parse().unwrap())
}

fn apps(validator: usize, errors: u32) -> Apps {
    let errors = if validator == ERRING { errors } else { 0 };
    Apps::default().with(admin::KIND, Erring(errors.into())).with(asset::KIND, Asset)
}

async fn height(group: &Group, node: usize) -> Height {
    group.node(node).chains()[0].status().await.unwrap().height
}

#[test]
fn an_altered_state_is_noticed_named_and_rebuilt() {
    // A fault of memory or processor: the second time it is computed right.
    let bank = Bank::with_validators(4, "one", now()).running(|validator| apps(validator, 1));
    run(async {
        let group = Group::start(std::slice::from_ref(&bank)).await;
        let chain = &group.node(0).chains()[0];
        settle(chain, bank.envelope(6)).await;
        let wrong = settle(chain, bank.envelope(7)).await;
        let mut rebuilt = group.node(ERRING).rebuilt();
        let named = |reason: &String| reason.contains("had been altered");
        let reasons = rebuilt.wait_for(|reasons| reasons.values().any(named));
        let reasons = soon(reasons).await.unwrap().clone();
        let key: String =
            AdminKey::Account(&wrong_account()).bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let expected = format!("after height {} had been altered: store admin key {key}", wrong.height);
        assert!(reasons[bank.chain_id()].ends_with(&expected), "{reasons:?}");
        settle(chain, bank.envelope(8)).await;
        let newest = height(&group, 0).await;
        until(async || height(&group, ERRING).await >= newest).await;
        assert_eq!(root(&group.node(ERRING).chains()[0]).await, root(chain).await);
        for other in [0, 1, 3] {
            assert!(group.node(other).rebuilt().borrow().is_empty(), "node {other} was right all the time");
        }
    });
}

#[test]
fn a_replica_that_lives_by_other_rules_stays_down() {
    let bank = Bank::with_validators(4, "one", now()).running(|validator| apps(validator, u32::MAX));
    run(async {
        let group = Group::start(std::slice::from_ref(&bank)).await;
        let chain = &group.node(0).chains()[0];
        settle(chain, bank.envelope(7)).await;
        let mut down = group.node(ERRING).down();
        let reasons = soon(down.wait_for(|down| !down.is_empty())).await.unwrap().clone();
        assert!(reasons[bank.chain_id()].contains("lives by other rules"), "{reasons:?}");
        settle(chain, bank.envelope(8)).await;
    });
}
