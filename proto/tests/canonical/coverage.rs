//! What samples show of the schemas: which fields, and which values of an enum.

use super::Sample;
use catenary_proto::DESCRIPTORS;
use catenary_types::wire::Reader;
use prost::Message;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FileDescriptorSet, field_descriptor_proto::Type as FieldType,
};
use std::collections::{BTreeMap, BTreeSet};

/// Messages and enums of all schemas, by their full names.
pub struct Schemas {
    messages: BTreeMap<String, DescriptorProto>,
    enums: BTreeMap<String, EnumDescriptorProto>,
}

impl Schemas {
    pub fn load() -> Self {
        let set = FileDescriptorSet::decode(DESCRIPTORS).unwrap();
        let (mut messages, mut enums) = (BTreeMap::new(), BTreeMap::new());
        for file in set.file {
            let name = |name: &str| format!("{}.{name}", file.package());
            messages.extend(file.message_type.iter().map(|each| (name(each.name()), each.clone())));
            enums.extend(file.enum_type.iter().map(|each| (name(each.name()), each.clone())));
        }
        Self { messages, enums }
    }

    /// The schema of a sample, and which of its cases it is if there are several.
    pub fn name(&self, sample: &Sample) -> String {
        let schema = &self.messages[&sample.schema];
        if schema.oneof_decl.is_empty() {
            return sample.schema.clone();
        }
        let number = Reader::new(&sample.bytes).next_number().unwrap();
        let case = schema.field.iter().find(|field| Some(field.number() as u32) == number).unwrap();
        format!("{}.{}", sample.schema, case.name())
    }

    /// Every message, field and enum value of what is hashed. An enum's zero is never written.
    pub fn hashed(&self) -> BTreeSet<String> {
        let hashed = |name: &&String| {
            let spoken = ["catenary.api.", "catenary.peer."].iter().any(|package| name.starts_with(package));
            name.starts_with("catenary.") && !spoken
        };
        let mut parts = BTreeSet::new();
        for name in self.messages.keys().filter(hashed) {
            let fields = self.messages[name].field.iter();
            parts.extend(fields.map(|field| format!("{name}.{}", field.name())));
            parts.insert(name.clone());
        }
        for name in self.enums.keys().filter(hashed) {
            let values = self.enums[name].value.iter().filter(|value| value.number() != 0);
            parts.extend(values.map(|value| format!("{name}.{}", value.number())));
        }
        parts
    }

    /// Adds what the bytes of a message show.
    pub fn read(&self, schema: &str, bytes: &[u8], shown: &mut BTreeSet<String>) {
        shown.insert(schema.into());
        let mut reader = Reader::new(bytes);
        while let Some(number) = reader.next_number().unwrap() {
            let field = self.messages[schema].field.iter().find(|field| field.number() as u32 == number);
            let field = field.unwrap_or_else(|| panic!("{schema} has no field {number}"));
            shown.insert(format!("{schema}.{}", field.name()));
            let kind = field.type_name().trim_start_matches('.');
            match field.r#type() {
                FieldType::Message => self.read(kind, reader.bytes(number).unwrap().unwrap(), shown),
                FieldType::String | FieldType::Bytes => {
                    reader.bytes(number).unwrap();
                }
                FieldType::Enum => {
                    shown.insert(format!("{kind}.{}", reader.varint(number).unwrap().unwrap()));
                }
                _ => {
                    reader.varint(number).unwrap();
                }
            }
        }
    }
}
