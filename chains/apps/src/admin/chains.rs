//! Creating and removing further chains.
//!
//! This chain only records them. A node whose operator named it as the registry runs what its records say.

use super::{
    calls::{exists, require_committee},
    messages::{CreateChain, RemoveChain},
};
use catenary_ledger::{
    Ctx, Failure, Reason, attribute,
    records::{AdminKey, ChainRecord, ReadRecords},
    stores::ADMIN,
};
use catenary_types::{Message, Timestamp, ValidatorSet};

pub(super) fn create(ctx: &mut Ctx<'_, '_>, CreateChain { genesis }: &CreateChain) -> Result<(), Failure> {
    require_committee(ctx)?;
    let chain_id = genesis.chain_id().map_err(invalid)?;
    ValidatorSet::new(genesis.validators.clone()).map_err(invalid)?;
    if genesis.time > ctx.header_time() {
        return Err(invalid(format!("its time is {}, later than this block's", genesis.time.0)));
    }
    match ctx.created_chain(&genesis.name) {
        Some(record) if !record.is_removed() => return Err(exists(format!("chain {}", record.chain_id))),
        // Or the document of a removed chain would make the same chain again, and its validators have signed there.
        Some(record) if genesis.time <= record.removed => {
            let detail =
                format!("expected a time after {}, when {} was removed", record.removed.0, record.chain_id);
            return Err(invalid(detail));
        }
        Some(_) | None => {}
    }
    let created = ctx.height();
    let record =
        ChainRecord { chain_id: chain_id.clone(), genesis: genesis.encode(), created, removed: Timestamp(0) };
    ctx.put(ADMIN, AdminKey::Chain(&genesis.name).bytes(), record.encode());
    ctx.emit("chain_created", vec![attribute("chain", chain_id)]);
    Ok(())
}

pub(super) fn remove(ctx: &mut Ctx<'_, '_>, RemoveChain { chain_id }: &RemoveChain) -> Result<(), Failure> {
    require_committee(ctx)?;
    let name = chain_id.chain_name();
    let record =
        ctx.created_chain(&name).filter(|record| record.chain_id == *chain_id && !record.is_removed());
    let record = record.ok_or_else(|| Failure::new(Reason::NotFound, format!("chain {chain_id}")))?;
    let record = ChainRecord { genesis: Vec::new(), removed: ctx.header_time(), ..record };
    ctx.put(ADMIN, AdminKey::Chain(&name).bytes(), record.encode());
    ctx.emit("chain_removed", vec![attribute("chain", chain_id)]);
    Ok(())
}

fn invalid(detail: impl ToString) -> Failure {
    Failure::new(Reason::InvalidArgument, detail.to_string())
}
