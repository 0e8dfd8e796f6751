//! Lanes as the chains know them: two clients that follow each other's chain and name each other as counterparty.

use crate::{
    network::Holder,
    setup::{create_clients, first_header},
    submitter::once,
};
use anyhow::{Context as _, Result};
use catenary_ledger::stores::CLIENTS;
use catenary_links::{ChainClient, Directory};
use catenary_packet::{ClientId, ReadClients, key::ClientsKey};
use catenary_relay::gateway::ProofRequest;
use catenary_types::{ChainId, Height};
use std::collections::BTreeMap;

/// A client of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// The client.
    pub client: ClientId,
    /// The chain that it follows.
    pub follows: String,
    /// The client at the other end of its lane, if it has one.
    pub counterparty: Option<ClientId>,
    /// How old a header may be for it to go on.
    pub trusting_period_s: u64,
}

/// A lane that is open: what each of two chains has of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// Both ends, each with its chain.
    pub ends: [(ChainId, End); 2],
}

/// A lane that is to be opened: two chains by name or id, and the client that each of them is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLane {
    /// The chains.
    pub chains: [String; 2],
    /// The client on each that follows the other: the next one that it creates.
    pub clients: [ClientId; 2],
}

/// All clients of a chain, in the order of their numbers.
pub fn ends(clients: &impl ReadClients) -> Vec<End> {
    let count = clients.number(&ClientsKey::NextClient).unwrap_or_default();
    let end = |client: ClientId| {
        let state = clients.client(&client)?;
        let counterparty = clients.counterparty(&client).map(|counterparty| counterparty.client);
        let (follows, trusting_period_s) = (state.chain_id, state.trusting_period_s);
        Some(End { client, follows, counterparty, trusting_period_s })
    };
    (0..count).map(ClientId::bft).filter_map(end).collect()
}

/// The lanes between chains of which all clients are known.
pub fn lanes(chains: &BTreeMap<ChainId, Vec<End>>) -> Vec<Lane> {
    let all = chains.iter().flat_map(|(chain, ends)| ends.iter().map(move |end| (chain, end)));
    let lane = |(chain, end): (&ChainId, &End)| {
        let (other, far) = chains.get_key_value(&end.follows.parse().ok()?)?;
        let far = far.iter().find(|far| end.counterparty.as_ref() == Some(&far.client))?;
        let mutual = far.follows == chain.as_str() && far.counterparty.as_ref() == Some(&end.client);
        // Seen from both sides, and counted once.
        let lane = || Lane { ends: [(chain.clone(), end.clone()), (other.clone(), far.clone())] };
        (mutual && chain < other).then(lane)
    };
    all.filter_map(lane).collect()
}

/// Opens a lane between every two of these chains that have none, and says how many there are then.
pub async fn open_missing(chains: &[String], directory: &Directory, operator: &Holder) -> Result<usize> {
    let mut known = BTreeMap::new();
    for name in chains {
        let chain = directory.find(name)?;
        known.insert(chain.chain_id().clone(), read(&*chain).await?);
    }
    let present = lanes(&known);
    let mut next: BTreeMap<_, _> = known.iter().map(|(chain, ends)| (chain, ends.len() as u64)).collect();
    let mut missing = Vec::new();
    let ids: Vec<_> = known.keys().collect();
    for (second, other) in ids.iter().enumerate() {
        for one in &ids[..second] {
            let joins = |lane: &&Lane| lane.ends[0].0 == **one && lane.ends[1].0 == **other;
            if present.iter().any(|lane| joins(&lane)) {
                continue;
            }
            let clients = [*one, *other].map(|chain| {
                let number = next.entry(chain).or_default();
                *number += 1;
                ClientId::bft(*number - 1)
            });
            missing.push(NewLane { chains: [one.to_string(), other.to_string()], clients });
        }
    }
    open(directory, &missing, operator).await?;
    Ok(present.len() + missing.len())
}

/// Opens lanes: each end gets the client of its lane, in the order of the clients' numbers. What is open stays as it is.
pub async fn open(directory: &Directory, lanes: &[NewLane], operator: &Holder) -> Result<()> {
    let mut ends = BTreeMap::<&str, Vec<(ClientId, &str, ClientId)>>::new();
    for NewLane { chains: [one, other], clients: [client, counterparty] } in lanes {
        ends.entry(one).or_default().push((client.clone(), other, counterparty.clone()));
        ends.entry(other).or_default().push((counterparty.clone(), one, client.clone()));
    }
    let mut headers = BTreeMap::new();
    for name in ends.keys() {
        headers.insert(*name, first_header(&*directory.find(name)?, operator).await?);
    }
    for (name, mut clients) in ends {
        clients.sort_by_key(|(client, ..)| {
            client.as_str().rsplit('-').next().and_then(|text| text.parse::<u64>().ok())
        });
        let chain = directory.find(name)?;
        for (client, other, counterparty) in clients {
            let reference = format!("lane-{client}");
            let calls = create_clients([(&headers[other], client, counterparty)]);
            once(&*chain, operator, &reference, calls)
                .await
                .with_context(|| format!("the lane from {name} to {other}"))?;
        }
    }
    Ok(())
}

/// What a chain proved of its clients.
struct Proven(BTreeMap<Vec<u8>, Vec<u8>>);

impl ReadClients for Proven {
    fn clients(&self, key: &ClientsKey<'_>) -> Option<Vec<u8>> {
        self.0.get(&key.bytes()).cloned()
    }
}

/// The clients of a chain elsewhere.
async fn read(chain: &dyn ChainClient) -> Result<Vec<End>> {
    // The newest state that a header names; before there is one, nobody has created a client.
    let height = chain.status().await?.height.previous().filter(|height| *height > Height(0));
    let Some(height) = height else { return Ok(Vec::new()) };
    let count = prove(chain, height, vec![ClientsKey::NextClient.bytes()]).await?;
    let clients = (0..count.number(&ClientsKey::NextClient).unwrap_or_default()).map(ClientId::bft);
    let keys = clients
        .flat_map(|client| [ClientsKey::Client(&client).bytes(), ClientsKey::Counterparty(&client).bytes()]);
    let keys: Vec<_> = keys.chain([ClientsKey::NextClient.bytes()]).collect();
    Ok(ends(&prove(chain, height, keys).await?))
}

async fn prove(chain: &dyn ChainClient, height: Height, keys: Vec<Vec<u8>>) -> Result<Proven> {
    let proof = chain.prove(ProofRequest { height, store: CLIENTS, keys: keys.clone() }).await?;
    let present = keys.into_iter().zip(proof.values).filter_map(|(key, value)| Some((key, value?)));
    Ok(Proven(present.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(number: u64, follows: &str, counterparty: Option<u64>) -> End {
        End {
            client: ClientId::bft(number),
            follows: follows.into(),
            counterparty: counterparty.map(ClientId::bft),
            trusting_period_s: 1,
        }
    }

    #[test]
    fn a_lane_is_two_clients_that_name_each_other() {
        let id = |name: &str| -> ChainId { format!("{name}-0123456789abcdef-1").parse().unwrap() };
        let [a, b] = ["a", "b"].map(|name| id(name).to_string());
        let chains = |of_a: Vec<End>, of_b: Vec<End>| BTreeMap::from([(id("a"), of_a), (id("b"), of_b)]);
        let open = chains(vec![end(0, "c", Some(0)), end(1, &b, Some(0))], vec![end(0, &a, Some(1))]);
        let [Lane { ends: [one, other] }] = &lanes(&open)[..] else { panic!("one lane") };
        assert_eq!((one, other), (&(id("a"), end(1, &b, Some(0))), &(id("b"), end(0, &a, Some(1)))));
        for (of_a, of_b) in [
            (end(0, &b, None), end(0, &a, Some(0))),
            (end(0, &b, Some(0)), end(0, &a, Some(7))),
            (end(0, &b, Some(0)), end(0, "c", Some(0))),
            (end(0, "c", Some(0)), end(0, &a, Some(0))),
        ] {
            assert_eq!(lanes(&chains(vec![of_a], vec![of_b])), []);
        }
    }
}
