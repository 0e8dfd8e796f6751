//! No field ever changes number or type: the schemas are compared with a committed list of everything in them.
#![allow(clippy::unwrap_used, reason = "helpers of tests may unwrap as tests do")]

use catenary_proto::DESCRIPTORS;
use prost::Message;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    ServiceDescriptorProto,
    field_descriptor_proto::{Label, Type},
};
use std::{env, fs, path::Path};

const FILE: &str = "schema.txt";

fn field(message: &str, field: &FieldDescriptorProto, oneofs: &[String]) -> String {
    let kind = match field.r#type() {
        Type::Message | Type::Enum => field.type_name().trim_start_matches('.').to_owned(),
        other => format!("{other:?}").to_lowercase(),
    };
    let repeated = if field.label() == Label::Repeated { "repeated " } else { "" };
    let presence = if field.proto3_optional() { "optional " } else { "" };
    let oneof = field.oneof_index.and_then(|at| oneofs.get(at as usize));
    let oneof = oneof.map(|name| format!(" in {name}")).unwrap_or_default();
    format!("{message}.{} = {}: {presence}{repeated}{kind}{oneof}", field.name(), field.number())
}

fn message(package: &str, descriptor: &DescriptorProto, lines: &mut Vec<String>) {
    let name = format!("{package}.{}", descriptor.name());
    lines.push(format!("{name}: message"));
    let oneofs: Vec<_> = descriptor.oneof_decl.iter().map(|oneof| oneof.name().to_owned()).collect();
    lines.extend(descriptor.field.iter().map(|each| field(&name, each, &oneofs)));
    descriptor.nested_type.iter().for_each(|nested| message(&name, nested, lines));
    descriptor.enum_type.iter().for_each(|nested| enumeration(&name, nested, lines));
}

fn enumeration(package: &str, descriptor: &EnumDescriptorProto, lines: &mut Vec<String>) {
    let name = format!("{package}.{}", descriptor.name());
    lines
        .extend(descriptor.value.iter().map(|value| format!("{name}.{} = {}", value.name(), value.number())));
}

fn service(package: &str, descriptor: &ServiceDescriptorProto, lines: &mut Vec<String>) {
    for method in &descriptor.method {
        let stream = |streams: bool| if streams { "stream " } else { "" };
        lines.push(format!(
            "{package}.{}/{}: {}{} -> {}{}",
            descriptor.name(),
            method.name(),
            stream(method.client_streaming()),
            method.input_type().trim_start_matches('.'),
            stream(method.server_streaming()),
            method.output_type().trim_start_matches('.'),
        ));
    }
}

fn ours() -> Vec<FileDescriptorProto> {
    let set = FileDescriptorSet::decode(DESCRIPTORS).unwrap();
    set.file.into_iter().filter(|file| !file.package().starts_with("google.")).collect()
}

fn present() -> Vec<String> {
    let mut lines = Vec::new();
    for file in ours() {
        let package = file.package();
        file.message_type.iter().for_each(|each| message(package, each, &mut lines));
        file.enum_type.iter().for_each(|each| enumeration(package, each, &mut lines));
        file.service.iter().for_each(|each| service(package, each, &mut lines));
        lines.extend(file.extension.iter().map(|each| field(package, each, &[])));
    }
    lines.sort();
    lines
}

#[test]
fn no_field_changes_number_or_type() {
    let present = present();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let gone: Vec<_> = committed.lines().filter(|line| !present.iter().any(|new| new == line)).collect();
    if env::var_os("UPDATE_SCHEMA").is_some() && gone.is_empty() {
        fs::write(&path, present.join("\n") + "\n").unwrap();
        return;
    }
    assert!(gone.is_empty(), "changed or removed, which v1 never does:\n{}", gone.join("\n"));
    let added: Vec<_> = present.iter().filter(|line| !committed.lines().any(|old| old == *line)).collect();
    assert!(added.is_empty(), "not in {FILE} yet; run this test with UPDATE_SCHEMA=1:\n{added:#?}");
}

/// What is hashed has one encoding, so it has no maps, floats or scalars that tell "absent" from "default".
#[test]
fn hashed_schemas_have_one_encoding() {
    fn check(package: &str, descriptor: &DescriptorProto) {
        let name = format!("{package}.{}", descriptor.name());
        assert!(descriptor.nested_type.is_empty(), "{name} has nested messages, perhaps a map");
        for field in &descriptor.field {
            assert!(!field.proto3_optional(), "{name}.{} has explicit presence", field.name());
            let allowed = [Type::Uint32, Type::Uint64, Type::Bool, Type::String, Type::Bytes];
            let allowed = allowed.into_iter().chain([Type::Enum, Type::Message]);
            assert!(allowed.into_iter().any(|kind| kind == field.r#type()), "{name}.{}", field.name());
        }
    }
    let hashed = ours()
        .into_iter()
        .filter(|file| file.package().starts_with("catenary.") && file.package() != "catenary.api.v1");
    let mut count = 0;
    for file in hashed {
        file.message_type.iter().for_each(|each| check(file.package(), each));
        count += file.message_type.len();
    }
    assert!(count > 60, "only {count} messages were looked at");
}

#[test]
fn every_method_has_messages_of_its_own_and_every_enum_starts_unspecified() {
    for file in ours().iter().filter(|file| file.package().starts_with("catenary.")) {
        assert!(file.service.len() <= 1, "{} has several services", file.name());
        for method in file.service.iter().flat_map(|service| &service.method) {
            let expected = |suffix: &str| format!(".{}.{}{suffix}", file.package(), method.name());
            assert_eq!(method.input_type(), expected("Request"));
            assert_eq!(method.output_type(), expected("Response"));
        }
        for first in file.enum_type.iter().map(|each| &each.value[0]) {
            assert!(first.name().ends_with("_UNSPECIFIED") && first.number() == 0, "{}", first.name());
        }
    }
}

/// Field 50001 of the options: a decoder without the extension keeps nothing of it, so the bytes are searched.
#[test]
fn the_descriptors_keep_which_fields_are_restricted() {
    let option = [0x88, 0xb5, 0x18, 0x01];
    let marks = DESCRIPTORS.windows(option.len()).filter(|window| *window == option).count();
    assert!(marks >= 14, "{marks} fields are marked");
}
