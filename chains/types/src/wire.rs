//! Canonical protobuf: one value has one encoding, and only that one is read.
//!
//! Everything that is hashed or signed goes through this codec. It reads and writes ordinary protobuf, so that any
//! client library can build a transaction, and refuses what protobuf allows twice: fields out of order, repeated
//! singular fields, default values written out, unknown fields, and varints longer than needed. So the hash of the
//! bytes is the hash of the value. Maps, floats and explicit-presence scalars do not exist here.
//!
//! `proto` compiles the same schemas with a stock library and a test compares both byte for byte.

/// Why bytes are not the canonical encoding of a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The input ends inside a field.
    #[error("the message ends inside a field")]
    Truncated,
    /// A varint is longer than its value needs, or does not fit 64 bits.
    #[error("a number is not in its shortest form")]
    LongVarint,
    /// A field that the schema does not have, or one out of order, or twice.
    #[error("field {number} is unknown here, repeated or out of order")]
    UnexpectedField {
        /// The field's number.
        number: u32,
    },
    /// The field has another wire type in the schema.
    #[error("field {number} has the wrong wire type")]
    WireType {
        /// The field's number.
        number: u32,
    },
    /// A default value was written out; canonical protobuf leaves it away.
    #[error("field {number} spells out a default value")]
    SpelledDefault {
        /// The field's number.
        number: u32,
    },
    /// The bytes of a field are no value of its type.
    #[error("field {number}: {reason}")]
    Value {
        /// The field's number.
        number: u32,
        /// What the type expects.
        reason: String,
    },
}

/// A protobuf message with one encoding.
pub trait Message: Sized {
    /// Appends the fields in ascending order.
    fn write_fields(&self, out: &mut Vec<u8>);

    /// Reads the fields in ascending order; the caller checks that nothing is left.
    fn read_fields(input: &mut Reader<'_>) -> Result<Self, WireError>;

    /// The canonical bytes.
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write_fields(&mut out);
        out
    }

    /// Reads canonical bytes and nothing else.
    fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        let message = Self::read_fields(&mut reader)?;
        reader.finish()?;
        Ok(message)
    }
}

/// A type that can stand as a field of a [`Message`].
pub trait Field: Sized {
    /// Appends the field unless it has its default value.
    fn write(&self, number: u32, out: &mut Vec<u8>);

    /// Reads the field if it is next, else gives the default.
    fn read(number: u32, input: &mut Reader<'_>) -> Result<Self, WireError>;
}

/// A type that goes as a length-delimited field: text, bytes, or a message.
pub trait Item: Sized {
    /// Appends the content without key and length.
    fn write_content(&self, out: &mut Vec<u8>);

    /// Reads the content; `Err` says what the type expects.
    fn read_content(bytes: &[u8]) -> Result<Self, String>;
}

const VARINT: u8 = 0;
const LENGTH_DELIMITED: u8 = 2;

/// Number, wire type, and what follows the key.
type NextField<'a> = (u32, u8, &'a [u8]);

/// Reads the fields of one message.
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first field.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Checks that every byte was read.
    pub fn finish(&self) -> Result<(), WireError> {
        match self.peek()? {
            None => Ok(()),
            Some((number, _, _)) => Err(WireError::UnexpectedField { number }),
        }
    }

    /// The number of the next field.
    pub fn next_number(&self) -> Result<Option<u32>, WireError> {
        Ok(self.peek()?.map(|(number, _, _)| number))
    }

    /// The next varint field, if it has this number.
    pub fn varint(&mut self, number: u32) -> Result<Option<u64>, WireError> {
        if !self.enter(number, VARINT)? {
            return Ok(None);
        }
        read_varint(&mut self.rest).map(Some)
    }

    /// The next length-delimited field, if it has this number.
    pub fn bytes(&mut self, number: u32) -> Result<Option<&'a [u8]>, WireError> {
        if !self.enter(number, LENGTH_DELIMITED)? {
            return Ok(None);
        }
        let length = read_varint(&mut self.rest)?;
        let length = usize::try_from(length).map_err(|_| WireError::Truncated)?;
        let (content, rest) = self.rest.split_at_checked(length).ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(Some(content))
    }

    /// Number, wire type and what follows the key of the next field.
    fn peek(&self) -> Result<Option<NextField<'a>>, WireError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let mut rest = self.rest;
        let key = read_varint(&mut rest)?;
        let number = u32::try_from(key >> 3).map_err(|_| WireError::LongVarint)?;
        Ok(Some((number, (key & 7) as u8, rest)))
    }

    fn enter(&mut self, number: u32, wire_type: u8) -> Result<bool, WireError> {
        match self.peek()? {
            Some((next, found, rest)) if next == number => {
                if found != wire_type {
                    return Err(WireError::WireType { number });
                }
                self.rest = rest;
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}

fn read_varint(rest: &mut &[u8]) -> Result<u64, WireError> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, tail) = rest.split_first().ok_or(WireError::Truncated)?;
        *rest = tail;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return Err(WireError::LongVarint);
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return if byte == 0 && shift > 0 { Err(WireError::LongVarint) } else { Ok(value) };
        }
    }
    Err(WireError::LongVarint)
}

/// Appends a varint in its shortest form.
pub fn write_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends key, length and content.
pub fn write_bytes(number: u32, content: &[u8], out: &mut Vec<u8>) {
    write_varint(u64::from(number) << 3 | u64::from(LENGTH_DELIMITED), out);
    write_varint(content.len() as u64, out);
    out.extend_from_slice(content);
}

/// Appends an item as a field, also when it is empty.
pub fn write_item<T: Item>(number: u32, item: &T, out: &mut Vec<u8>) {
    let mut content = Vec::new();
    item.write_content(&mut content);
    write_bytes(number, &content, out);
}

fn read_item<T: Item>(number: u32, content: &[u8]) -> Result<T, WireError> {
    T::read_content(content).map_err(|reason| WireError::Value { number, reason })
}

impl Field for u64 {
    fn write(&self, number: u32, out: &mut Vec<u8>) {
        if *self != 0 {
            write_varint(u64::from(number) << 3 | u64::from(VARINT), out);
            write_varint(*self, out);
        }
    }

    fn read(number: u32, input: &mut Reader<'_>) -> Result<Self, WireError> {
        match input.varint(number)? {
            Some(0) => Err(WireError::SpelledDefault { number }),
            value => Ok(value.unwrap_or(0)),
        }
    }
}

impl Field for u32 {
    fn write(&self, number: u32, out: &mut Vec<u8>) {
        u64::from(*self).write(number, out);
    }

    fn read(number: u32, input: &mut Reader<'_>) -> Result<Self, WireError> {
        let value = u64::read(number, input)?;
        value.try_into().map_err(|_| WireError::Value { number, reason: "expected at most 32 bits".into() })
    }
}

impl Field for bool {
    fn write(&self, number: u32, out: &mut Vec<u8>) {
        u64::from(*self).write(number, out);
    }

    fn read(number: u32, input: &mut Reader<'_>) -> Result<Self, WireError> {
        match u64::read(number, input)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(WireError::Value { number, reason: "expected 0 or 1".into() }),
        }
    }
}

impl Field for String {
    fn write(&self, number: u32, out: &mut Vec<u8>) {
        if !self.is_empty() {
            write_bytes(number, self.as_bytes(), out);
        }
    }

    fn read(number: u32, input: &mut Reader<'_>) -> Result<Self, WireError> {
        match input.bytes(number)? {
            Some([]) => Err(WireError::SpelledDefault { number }),
            Some(content) => read_item(number, content),
            None => Ok(Self::new()),
        }
    }
}

impl Field for Vec<u8> {
    fn write(&self, number: u32, out: &mut Vec<u8>) {
        if !self.is_empty() {
            write_bytes(number, self, out);
        }
    }

    fn read(number: u32, input: &mut Reader<'_>) -> Result<Self, WireError> {
        match input.bytes(number)? {
            Some([]) => Err(WireError::SpelledDefault { number }),
            content => Ok(content.unwrap_or_default().to_vec()),
        }
    }
}

impl<T: Item> Field for Vec<T> {
    fn write(&self, number: u32, out: &mut Vec<u8>) {
        self.iter().for_each(|item| write_item(number, item, out));
    }

    fn read(number: u32, input: &mut Reader<'_>) -> Result<Self, WireError> {
        let mut items = Self::new();
        while let Some(content) = input.bytes(number)? {
            items.push(read_item(number, content)?);
        }
        Ok(items)
    }
}

impl<T: Item> Field for Option<T> {
    fn write(&self, number: u32, out: &mut Vec<u8>) {
        if let Some(item) = self {
            write_item(number, item, out);
        }
    }

    fn read(number: u32, input: &mut Reader<'_>) -> Result<Self, WireError> {
        input.bytes(number)?.map(|content| read_item(number, content)).transpose()
    }
}

impl Item for String {
    fn write_content(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }

    fn read_content(bytes: &[u8]) -> Result<Self, String> {
        String::from_utf8(bytes.to_vec()).map_err(|_| "expected UTF-8".into())
    }
}

impl Item for Vec<u8> {
    fn write_content(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }

    fn read_content(bytes: &[u8]) -> Result<Self, String> {
        Ok(bytes.to_vec())
    }
}

/// Makes a type a required length-delimited field: it is always written, and its absence is an error.
#[macro_export]
macro_rules! required_field {
    ($($type:ty),+ $(,)?) => {$(
        impl $crate::wire::Field for $type {
            fn write(&self, number: u32, out: &mut Vec<u8>) {
                $crate::wire::write_item(number, self, out);
            }

            fn read(
                number: u32,
                input: &mut $crate::wire::Reader<'_>,
            ) -> Result<Self, $crate::wire::WireError> {
                <Option<Self> as $crate::wire::Field>::read(number, input)?.ok_or_else(|| {
                    $crate::wire::WireError::Value { number, reason: "the field is missing".into() }
                })
            }
        }
    )+};
}

/// Defines structs that are protobuf messages: every field carries its number.
#[macro_export]
macro_rules! message {
    ($(
        $(#[$meta:meta])*
        pub struct $name:ident {
            $( $(#[$field_meta:meta])* $number:literal => $field:ident : $type:ty ),* $(,)?
        }
    )+) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            $( $(#[$field_meta])* pub $field: $type, )*
        }

        impl $crate::wire::Message for $name {
            #[allow(unused_variables)]
            fn write_fields(&self, out: &mut Vec<u8>) {
                $( $crate::wire::Field::write(&self.$field, $number, out); )*
            }

            #[allow(unused_variables)]
            fn read_fields(
                input: &mut $crate::wire::Reader<'_>,
            ) -> Result<Self, $crate::wire::WireError> {
                Ok(Self { $( $field: $crate::wire::Field::read($number, input)?, )* })
            }
        }

        $crate::message_item!($name);
    )+};
}

/// Defines an enum that is a message with one `oneof`: exactly one of its fields is there.
#[macro_export]
macro_rules! oneof {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $( $(#[$variant_meta:meta])* $number:literal => $variant:ident($type:ty) ),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $name {
            $( $(#[$variant_meta])* $variant($type), )+
        }

        impl $crate::wire::Message for $name {
            fn write_fields(&self, out: &mut Vec<u8>) {
                match self {
                    $( Self::$variant(inner) => {
                        $crate::wire::write_bytes($number, &$crate::wire::Message::encode(inner), out)
                    } )+
                }
            }

            fn read_fields(
                input: &mut $crate::wire::Reader<'_>,
            ) -> Result<Self, $crate::wire::WireError> {
                match input.next_number()? {
                    $( Some($number) => {
                        let content = input.bytes($number)?.unwrap_or_default();
                        $crate::wire::Message::decode(content).map(Self::$variant)
                    } )+
                    Some(number) => Err($crate::wire::WireError::UnexpectedField { number }),
                    None => Err($crate::wire::WireError::Truncated),
                }
            }
        }

        $crate::message_item!($name);
    };
}

/// Lets a message stand as a field of another.
#[macro_export]
macro_rules! message_item {
    ($name:ty) => {
        impl $crate::wire::Item for $name {
            fn write_content(&self, out: &mut Vec<u8>) {
                $crate::wire::Message::write_fields(self, out);
            }

            fn read_content(bytes: &[u8]) -> Result<Self, String> {
                $crate::wire::Message::decode(bytes).map_err(|error| error.to_string())
            }
        }

        $crate::required_field!($name);
    };
}

/// Lets a fixed-size byte newtype stand as a field.
#[macro_export]
macro_rules! fixed_bytes_item {
    ($name:ident, $length:literal) => {
        impl $crate::wire::Item for $name {
            fn write_content(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.0);
            }

            fn read_content(bytes: &[u8]) -> Result<Self, String> {
                let bytes: [u8; $length] = bytes
                    .try_into()
                    .map_err(|_| format!("expected {} bytes, got {}", $length, bytes.len()))?;
                Ok(Self(bytes.into()))
            }
        }

        $crate::required_field!($name);
    };
}

/// Lets a text newtype with a checking `FromStr` stand as a field.
#[macro_export]
macro_rules! text_item {
    ($name:ident) => {
        impl $crate::wire::Item for $name {
            fn write_content(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(self.to_string().as_bytes());
            }

            fn read_content(bytes: &[u8]) -> Result<Self, String> {
                let text = std::str::from_utf8(bytes).map_err(|_| String::from("expected UTF-8"))?;
                let value: Self = text.parse().map_err(|error| format!("{error}"))?;
                if value.to_string() == text { Ok(value) } else { Err("not in canonical form".into()) }
            }
        }

        $crate::required_field!($name);
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    message! {
        /// A sample with one field of each shape.
        pub struct Sample {
            /// A number.
            1 => number: u64,
            /// Text.
            2 => text: String,
            /// Nested.
            3 => nested: Vec<Inner>,
            /// A flag.
            15 => flag: bool,
        }

        /// Nested in the sample.
        pub struct Inner {
            /// Bytes.
            1 => bytes: Vec<u8>,
        }
    }

    #[test]
    fn refuses_every_second_spelling() {
        let refused: [(&[u8], &str); 7] = [
            (&[0x08, 0x00], "default"),
            (&[0x08, 0x81, 0x00], "long varint"),
            (&[0x08, 0x01, 0x08, 0x01], "repeated"),
            (&[0x12, 0x01, b'a', 0x08, 0x01], "order"),
            (&[0x20, 0x01], "unknown"),
            (&[0x78, 0x02], "bool of 2"),
            (&[0x12, 0x00], "empty text"),
        ];
        for (bytes, what) in refused {
            assert!(Sample::decode(bytes).is_err(), "{what} was accepted");
        }
        assert!(Sample::decode(&[0x08, 0x01, 0x12, 0x01, b'a', 0x1a, 0x00, 0x78, 0x01]).is_ok());
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_would_be_written(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(sample) = Sample::decode(&bytes) {
                prop_assert_eq!(sample.encode(), bytes);
            }
        }

        #[test]
        fn what_is_written_is_read(number: u64, text: String, nested: Vec<Vec<u8>>, flag: bool) {
            let nested = nested.into_iter().map(|bytes| Inner { bytes }).collect();
            let sample = Sample { number, text, nested, flag };
            prop_assert_eq!(Sample::decode(&sample.encode()), Ok(sample));
        }
    }
}
