//! Apps of test chains: `echo`, which sends and receives and counts what it did, and `governance`, which sets what the
//! admin app sets on real chains.

use crate::{
    commitment::ERROR_ACKNOWLEDGEMENT,
    ids::ClientId,
    law::send,
    messages::{Packet, Payload},
    port::PortApp,
};
use catenary_ledger::{
    Access, App, Caller, Checked, Ctx, Failure, Reason, View,
    records::{AdminKey, Validators},
    stores::{ADMIN, ASSET},
};
use catenary_types::{Amount, Message, Parameters, UnixSeconds, Validator, WireError};

/// The port of the echo app.
pub const ECHO_PORT: &str = "echo";

catenary_types::oneof! {
    /// Calls of the echo app.
    pub enum EchoCall {
        /// Escrow one unit and send it.
        1 => Send(EchoSend),
    }
}

catenary_types::message! {
    /// Sends a packet that stands for one unit. Its value says what the callbacks do, see [`EchoPort`].
    pub struct EchoSend {
        /// Over which client.
        1 => client: ClientId,
        /// The deadline.
        2 => timeout: UnixSeconds,
        /// The payload's value.
        3 => value: Vec<u8>,
        /// Whom to, usually [`ECHO_PORT`].
        4 => dest_port: String,
    }

    /// Sets the validators of the height after next.
    pub struct SetValidators {
        /// The new set.
        1 => validators: Vec<Validator>,
    }

    /// Sets the parameters of the next height.
    pub struct SetParameters {
        /// The new ones.
        1 => parameters: Parameters,
    }

    /// Makes callbacks that failed succeed from now on.
    pub struct Mend {}
}

catenary_types::oneof! {
    /// Calls of the governance app.
    pub enum GovernanceCall {
        /// See [`SetValidators`].
        1 => SetValidators(SetValidators),
        /// See [`SetParameters`].
        2 => SetParameters(SetParameters),
        /// See [`Mend`].
        3 => Mend(Mend),
    }
}

/// What a counter of the echo app stands at: `escrow`, `delivered`, `refunded` on the source, `received` on the target.
pub fn counter(view: &dyn View, name: &str) -> u128 {
    let bytes = view.get(ASSET, name.as_bytes());
    bytes.and_then(|bytes| bytes.try_into().ok()).map_or(0, u128::from_be_bytes)
}

fn add(ctx: &mut Ctx<'_, '_>, name: &str) -> Result<(), Failure> {
    ctx.add(ASSET, name.as_bytes().to_vec(), Amount(1))
}

fn take(ctx: &mut Ctx<'_, '_>, name: &str) -> Result<(), Failure> {
    let left = ctx.counter(ASSET, name.as_bytes()).checked_sub(Amount(1));
    let left = left.ok_or_else(|| Failure::new(Reason::InsufficientBalance, "the escrow is empty"))?;
    ctx.set_counter(ASSET, name.as_bytes().to_vec(), left);
    Ok(())
}

/// Sends.
pub(super) struct EchoApp;

impl App for EchoApp {
    type Message = EchoCall;

    fn decode(&self, bytes: &[u8]) -> Result<EchoCall, WireError> {
        EchoCall::decode(bytes)
    }

    fn weight(&self, _: &EchoCall) -> u64 {
        crate::law::SEND_WEIGHT
    }

    fn access(&self, _: &Caller, _: &EchoCall) -> Access {
        Access::Any
    }

    fn execute(&self, call: Checked<EchoCall>, ctx: &mut Ctx<'_, '_>) -> Result<(), Failure> {
        let EchoCall::Send(call) = call.into_inner();
        add(ctx, "escrow")?;
        let payload = Payload {
            source_port: ECHO_PORT.into(),
            dest_port: call.dest_port,
            version: "echo-1".into(),
            encoding: "application/octet-stream".into(),
            value: call.value,
        };
        send(ctx, &call.client, payload, call.timeout).map(|_| ())
    }
}

/// Receives. What a packet's value starts with decides what happens:
///
/// | Value | Callback |
/// |---|---|
/// | `fail…`, `panic…` | receiving fails, panics, after a write |
/// | `empty…`, `error…` | the acknowledgement is empty, the error acknowledgement |
/// | `late-fail…`, `late-panic…` | settling fails, panics, after a write, until mended |
/// | else | receiving counts `received` and answers with the value; settling moves the escrow |
pub(super) struct EchoPort;

impl EchoPort {
    fn settle(ctx: &mut Ctx<'_, '_>, payload: &Payload, to: &str) -> Result<(), Failure> {
        take(ctx, "escrow")?;
        add(ctx, to)?;
        let mended = ctx.counter(ASSET, b"mended") != Amount::ZERO;
        if payload.value.starts_with(b"late-fail") && !mended {
            return Err(Failure::new(Reason::Overflow, "the callback was told to fail"));
        }
        assert!(!payload.value.starts_with(b"late-panic") || mended, "the callback was told to panic");
        Ok(())
    }
}

impl PortApp for EchoPort {
    fn port(&self) -> &str {
        ECHO_PORT
    }

    fn on_receive(&self, ctx: &mut Ctx<'_, '_>, _: &Packet, payload: &Payload) -> Result<Vec<u8>, Failure> {
        add(ctx, "received")?;
        ctx.emit("echo_received", Vec::new());
        assert!(!payload.value.starts_with(b"panic"), "the callback was told to panic");
        match payload.value.as_slice() {
            value if value.starts_with(b"fail") => {
                Err(Failure::new(Reason::AccountFrozen, "the callback was told to fail"))
            }
            value if value.starts_with(b"empty") => Ok(Vec::new()),
            value if value.starts_with(b"error") => Ok(ERROR_ACKNOWLEDGEMENT.to_vec()),
            value => Ok(value.to_vec()),
        }
    }

    fn on_acknowledge(
        &self,
        ctx: &mut Ctx<'_, '_>,
        _: &Packet,
        payload: &Payload,
        acknowledgement: &[u8],
    ) -> Result<(), Failure> {
        let refund = acknowledgement == ERROR_ACKNOWLEDGEMENT;
        Self::settle(ctx, payload, if refund { "refunded" } else { "delivered" })
    }

    fn on_timeout(&self, ctx: &mut Ctx<'_, '_>, _: &Packet, payload: &Payload) -> Result<(), Failure> {
        Self::settle(ctx, payload, "refunded")
    }
}

/// Sets validators and parameters without asking anybody.
pub(super) struct GovernanceApp;

impl App for GovernanceApp {
    type Message = GovernanceCall;

    fn decode(&self, bytes: &[u8]) -> Result<GovernanceCall, WireError> {
        GovernanceCall::decode(bytes)
    }

    fn weight(&self, _: &GovernanceCall) -> u64 {
        1
    }

    fn access(&self, _: &Caller, _: &GovernanceCall) -> Access {
        Access::Any
    }

    fn execute(&self, call: Checked<GovernanceCall>, ctx: &mut Ctx<'_, '_>) -> Result<(), Failure> {
        match call.into_inner() {
            GovernanceCall::SetValidators(set) => {
                let record = Validators { validators: set.validators };
                ctx.put(ADMIN, AdminKey::Validators.bytes(), record.encode());
            }
            GovernanceCall::SetParameters(set) => {
                ctx.put(ADMIN, AdminKey::Parameters.bytes(), set.parameters.encode());
            }
            GovernanceCall::Mend(_) => add(ctx, "mended")?,
        }
        Ok(())
    }
}
