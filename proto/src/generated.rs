//! The code that the build makes from the schemas; comments of the schemas become its documentation.
#![allow(missing_docs, clippy::all, rustdoc::all)]

include!(concat!(env!("OUT_DIR"), "/modules.rs"));
