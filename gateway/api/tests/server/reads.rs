//! Reading: what answers hold, and what a request that cannot be answered gets.

use crate::{
    Served, directory, expect, expect_field,
    fake::{FakeChain, SENDER, STRANGER, Trouble},
    impatient,
};
use catenary_api::Api;
use catenary_crypto::{Hash, inner_hash, leaf_hash, sha256};
use catenary_links::ChainClient;
use catenary_proto::{
    api::{
        self, ErrorReason, chain_status::Activity, get_account_request::Account,
        get_transaction_request::Name,
    },
    ledger,
};
use catenary_relay::{gateway::GatewayError, query::HeaderView};
use catenary_types::Height;

#[tokio::test]
async fn chains_are_listed_in_pages_and_one_that_is_gone_hides_no_other() {
    let chains: Vec<_> = ["ab", "cd", "ef"].map(FakeChain::with_blocks).into();
    let served = Served::of(&chains.iter().collect::<Vec<_>>()).await;
    chains[1].trouble(Trouble::Fail(GatewayError::Unavailable("gone".into())));
    let mut names = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = api::ListChainsRequest { page_size: 2, page_token };
        let answer = served.ledger().list_chains(request).await.unwrap().into_inner();
        assert!(answer.chains.len() <= 2);
        names.extend(answer.chains.into_iter().map(|chain| (chain.chain_id.clone(), chain)));
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let ids: Vec<_> = names.iter().map(|(id, _)| &**id).collect();
    let expected: Vec<_> = chains.iter().map(|chain| chain.chain_id().as_str()).collect();
    assert_eq!(ids, expected);
    assert!(matches!(names[1].1.activity, Some(Activity::Halted(_))));
    assert_eq!(names[2].1.trust(), ledger::Trust::Single);
    let request = api::ListChainsRequest { page_size: 2, page_token: "no id".into() };
    expect_field(&served.ledger().list_chains(request).await.unwrap_err(), "page_token");
}

#[tokio::test]
async fn a_chain_goes_by_id_and_by_name_unless_two_share_it() {
    let chain = FakeChain::new("berka");
    let served = Served::of(&[&chain]).await;
    for name in ["berka", chain.chain_id().as_str()] {
        let request = api::GetChainRequest { chain: name.into() };
        let answer = served.ledger().get_chain(request).await.unwrap().into_inner().chain.unwrap();
        assert_eq!(answer.chain_id, chain.chain_id().as_str());
        assert!(matches!(answer.activity, Some(Activity::Waiting(_))));
    }
    for name in ["", "berk", "berka-0123456789abcdef-2"] {
        let request = api::GetChainRequest { chain: name.into() };
        expect(&served.ledger().get_chain(request).await.unwrap_err(), ErrorReason::ChainNotFound);
    }
    let recovered = FakeChain::of_revision("berka", 2);
    let served = Served::of(&[&chain, &recovered]).await;
    for (name, found) in [("berka", false), (recovered.chain_id().as_str(), true)] {
        let request = api::GetChainRequest { chain: name.into() };
        assert_eq!(served.ledger().get_chain(request).await.is_ok(), found, "{name}");
    }
}

#[tokio::test]
async fn a_transaction_goes_by_its_three_names() {
    let chain = FakeChain::with_blocks("berka");
    let served = Served::of(&[&chain]).await;
    let get = |name: Name| {
        let request =
            api::GetTransactionRequest { chain: "berka".into(), name: Some(name), include_proof: false };
        let mut client = served.ledger();
        async move { client.get_transaction(request).await }
    };
    let request_id = vec![21; 16];
    let sender = SENDER.0.to_vec();
    let by_request =
        get(Name::Request(api::RequestName { sender: sender.clone(), request_id })).await.unwrap();
    let view = by_request.into_inner().transaction.unwrap();
    assert_eq!((view.height, view.position), (2, 1));
    let by_id = get(Name::TxId(view.tx_id.clone())).await.unwrap().into_inner().transaction.unwrap();
    let reference = api::ReferenceName { sender: sender.clone(), reference: "order-2-1".into() };
    let by_reference = get(Name::Reference(reference)).await.unwrap().into_inner().transaction.unwrap();
    assert_eq!((&by_id, &by_reference), (&view, &view));

    let status = get(Name::TxId(vec![0; 32])).await.unwrap_err();
    assert_eq!(expect(&status, ErrorReason::TransactionNotFound).metadata["height"], "4");
    expect_field(&get(Name::TxId(vec![0; 3])).await.unwrap_err(), "tx_id");
    let blank = api::ReferenceName { sender, reference: String::new() };
    expect_field(&get(Name::Reference(blank)).await.unwrap_err(), "reference.reference");
}

/// What a client does with a path.
fn root(leaf: &[u8], position: usize, total: usize, siblings: &[Vec<u8>]) -> Hash {
    let Some((last, rest)) = siblings.split_last() else { return leaf_hash(leaf) };
    let (half, last) = (total.next_power_of_two() / 2, Hash::from_slice(last).unwrap());
    if position < half {
        inner_hash(&root(leaf, position, half, rest), &last)
    } else {
        inner_hash(&last, &root(leaf, position - half, total - half, rest))
    }
}

#[tokio::test]
async fn a_proof_shows_that_a_transaction_is_in_its_block_and_what_became_of_it() {
    let chain = FakeChain::with_blocks("berka");
    let served = Served::of(&[&chain]).await;
    let reference = api::ReferenceName { sender: SENDER.0.to_vec(), reference: "order-3-2".into() };
    let name = Some(Name::Reference(reference));
    let request = api::GetTransactionRequest { chain: "berka".into(), name, include_proof: true };
    let answer = served.ledger().get_transaction(request).await.unwrap().into_inner();
    let (view, proof) = (answer.transaction.unwrap(), answer.proof.unwrap());
    let path = |path: api::MerklePath| {
        let header = HeaderView::try_from(path.header.as_ref().unwrap()).unwrap();
        let root = root(&path.leaf, path.position as usize, path.total as usize, &path.siblings);
        (header.signed.header, path.leaf, root)
    };
    let (header, leaf, root) = path(proof.envelope.unwrap());
    assert_eq!((header.height, header.data_hash), (Height(3), root));
    assert_eq!(leaf, sha256(&view.envelope).0);
    let (header, leaf, root) = path(proof.result.unwrap());
    assert_eq!((header.height, header.last_results_hash), (Height(4), root));
    let receipt = catenary_types::Receipt::try_from(&view.receipt.unwrap()).unwrap();
    assert_eq!(leaf, catenary_types::Message::encode(&receipt.leaf()));
}

#[tokio::test]
async fn an_account_has_balances_and_proofs_as_asked_for() {
    let chain = FakeChain::with_blocks("berka");
    let served = Served::of(&[&chain]).await;
    let get = |account: Account, assets: &[&str], include_proof: bool| {
        let request = api::GetAccountRequest {
            chain: "berka".into(),
            account: Some(account),
            assets: assets.iter().map(ToString::to_string).collect(),
            include_proof,
        };
        let mut client = served.ledger();
        async move { client.get_account(request).await }
    };
    let id = || Account::AccountId(SENDER.0.to_vec());
    let answer = get(id(), &["CZK", "EUR"], false).await.unwrap().into_inner();
    let view = answer.account.unwrap();
    assert_eq!(view.balances[1].amount, u128::MAX.to_string());
    assert!(view.frozen && answer.account_proof.is_none() && answer.balances_proof.is_none());
    assert_eq!(answer.read.unwrap().trust(), ledger::Trust::Single);

    let answer = get(id(), &["CZK", "EUR"], true).await.unwrap().into_inner();
    // The newest header shows the state before the newest block.
    let proof = answer.account_proof.unwrap();
    assert_eq!((&*proof.proof, proof.values.len()), (&b"admin"[..], 1));
    let header = HeaderView::try_from(&proof.header.unwrap()).unwrap();
    assert_eq!(header.header().height, Height(4));
    let proof = answer.balances_proof.unwrap();
    assert_eq!((&*proof.proof, proof.values.len()), (&b"asset"[..], 2));

    let name = ledger::AccountName { organisation: "AB".into(), number: "17".into() };
    let by_name = get(Account::Name(name), &[], false).await.unwrap().into_inner().account.unwrap();
    assert_ne!(by_name.account_id, SENDER.0);
    let stranger = Account::AccountId(STRANGER.0.to_vec());
    expect(&get(stranger, &[], false).await.unwrap_err(), ErrorReason::AccountNotFound);
    expect_field(&get(id(), &["no such name\n"], false).await.unwrap_err(), "assets");
    expect_field(&get(id(), &["CZK"; 101], false).await.unwrap_err(), "assets");
    let blank = ledger::AccountName { organisation: "A B".into(), number: "17".into() };
    expect_field(&get(Account::Name(blank), &[], false).await.unwrap_err(), "name.organisation");
}

#[tokio::test]
async fn blocks_and_headers_go_by_height_and_zero_is_the_newest() {
    let chain = FakeChain::with_blocks("berka");
    let served = Served::of(&[&chain]).await;
    for (asked, expected) in [(0, 4), (2, 2)] {
        let request = api::GetBlockRequest { chain: "berka".into(), height: asked };
        let answer = served.ledger().get_block(request).await.unwrap().into_inner();
        assert_eq!(answer.read.unwrap().height, expected);
        assert_eq!(answer.block.unwrap().block.unwrap().header.unwrap().height, expected as i64);
        let request = api::GetHeaderRequest { chain: "berka".into(), height: asked, ..Default::default() };
        let answer = served.ledger().get_header(request).await.unwrap().into_inner();
        assert_eq!(answer.header.unwrap().height, expected as i64);
        assert!(answer.certificate.is_none() && answer.validators.is_none() && answer.proof.is_empty());
    }
    let request = api::GetBlockRequest { chain: "berka".into(), height: 5 };
    let fault = expect(&served.ledger().get_block(request).await.unwrap_err(), ErrorReason::BlockNotFound);
    assert_eq!((&*fault.metadata["requested"], &*fault.metadata["height"]), ("5", "4"));
    let request = api::GetHeaderRequest { chain: "berka".into(), height: 9, ..Default::default() };
    let status = served.ledger().get_header(request).await.unwrap_err();
    let fault = expect(&status, ErrorReason::HeightNotAvailable);
    assert_eq!((&*fault.metadata["oldest"], &*fault.metadata["newest"]), ("1", "4"));
}

#[tokio::test]
async fn a_header_comes_with_certificate_and_proof_on_request() {
    let chain = FakeChain::with_blocks("berka");
    let served = Served::of(&[&chain]).await;
    let get = |store: &str, keys: Vec<Vec<u8>>| {
        let prove = Some(api::KeyQuery { store: store.into(), keys });
        let request =
            api::GetHeaderRequest { chain: "berka".into(), height: 3, include_certificate: true, prove };
        let mut client = served.ledger();
        async move { client.get_header(request).await }
    };
    let answer = get("ibc", vec![vec![1; 3], vec![2; 4]]).await.unwrap().into_inner();
    assert_eq!((answer.certificate.unwrap().height, answer.validators.unwrap().validators.len()), (3, 1));
    assert_eq!((&*answer.proof, answer.values), (&b"ibc"[..], vec![vec![1; 3], vec![]]));
    expect_field(&get("replay", vec![vec![1]]).await.unwrap_err(), "prove.store");
    expect_field(&get("ibc", vec![]).await.unwrap_err(), "prove.keys");
    expect_field(&get("ibc", vec![vec![1]; 1_001]).await.unwrap_err(), "prove.keys");
}

#[tokio::test]
async fn troubles_of_a_chain_have_their_reasons_and_no_effect() {
    let chain = FakeChain::with_blocks("berka");
    let served = Served::start(Api::new(directory(&[&chain])).limits(impatient())).await;
    for (trouble, reason) in [
        (Trouble::Fail(GatewayError::Busy), ErrorReason::Busy),
        (Trouble::Fail(GatewayError::Unavailable("gone".into())), ErrorReason::ChainUnavailable),
        (Trouble::Fail(GatewayError::Damaged("block 3".into())), ErrorReason::DataDamaged),
        (Trouble::Hang, ErrorReason::TimedOut),
    ] {
        chain.trouble(trouble);
        let request = api::GetBlockRequest { chain: "berka".into(), height: 1 };
        let fault = expect(&served.ledger().get_block(request).await.unwrap_err(), reason);
        assert!(!fault.metadata.contains_key("effect"));
        let request = api::StreamBlocksRequest { chain: "berka".into(), from_height: 1 };
        expect(&served.gateway().stream_blocks(request).await.unwrap_err(), reason);
    }
}
