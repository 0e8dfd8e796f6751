//! Compiles the schemas in pure Rust, so that nobody needs protoc, and keeps their descriptors for reflection.

use prost::Message as _;
use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut schemas = Vec::new();
    for folder in ["catenary", "tendermint"] {
        println!("cargo:rerun-if-changed={folder}");
        find(Path::new(folder), &mut schemas)?;
    }
    schemas.sort();

    let mut compiler = protox::Compiler::new(["."])?;
    compiler.include_source_info(true).include_imports(true).open_files(&schemas)?;
    // These bytes keep custom options; a decoded set would have lost them.
    let descriptors = compiler.encode_file_descriptor_set();
    fs::write(out.join("descriptors.bin"), &descriptors)?;

    let descriptors = prost_types::FileDescriptorSet::decode(&*descriptors)?;
    tonic_prost_build::configure().include_file("modules.rs").compile_fds(descriptors)?;
    Ok(())
}

fn find(folder: &Path, schemas: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, schemas)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            schemas.push(path);
        }
    }
    Ok(())
}
