//! Parse: is the body a JSON object with the fields we know?
//!
//! Strict where leniency would let two readers of one request disagree: a
//! field given twice, bytes after the object, bytes that are not UTF-8. Fields
//! nobody knows are skipped, as rdbv2 does, but not below [`JSON_DEPTH_MAX`].
//! Texts without escapes are borrowed from the body.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::ops::Deref;

use api::limits::JSON_DEPTH_MAX;
use bytes::Bytes;
use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use crate::refused::Refused;

/// Fields of one object, known or not. Real requests have ten.
const FIELDS_MAX: usize = 64;

/// What a body says, before any of it is judged.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields<'b> {
    pub(crate) action: Option<Text<'b>>,
    pub(crate) collection: Option<Text<'b>>,
    pub(crate) value: Option<Text<'b>>,
    pub(crate) key: Option<Text<'b>>,
    pub(crate) expected: Expected<'b>,
    pub(crate) if_version: Option<u64>,
    pub(crate) end: Option<Text<'b>>,
    pub(crate) prefix: Option<Text<'b>>,
    pub(crate) limit: Option<u64>,
    pub(crate) cursor: Option<Text<'b>>,
    pub(crate) consistency: Option<Text<'b>>,
    pub(crate) ttl_ms: bool,
}

/// A text, borrowed from the body where it stands there without escapes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Text<'b>(Cow<'b, str>);

impl Text<'_> {
    /// The text's bytes: of `body`, which it was read from, where it is borrowed.
    pub(crate) fn bytes(&self, body: &Bytes) -> Bytes {
        match &self.0 {
            Cow::Borrowed(text) => body.slice_ref(text.as_bytes()),
            Cow::Owned(text) => Bytes::copy_from_slice(text.as_bytes()),
        }
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// The value a `cas` expects. Here null says something: that there is no row.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Expected<'b> {
    #[default]
    Missing,
    Null,
    Value(Text<'b>),
}

/// Reads `body`.
pub(crate) fn parse(body: &[u8]) -> Result<Fields<'_>, Refused> {
    let complaint = Cell::new(None);
    let mut fields = Fields::default();
    let mut json = serde_json::Deserializer::from_slice(body);
    let object = Object { level: Level::Request, fields: &mut fields, complaint: &complaint };
    match object.deserialize(&mut json).and_then(|()| json.end()) {
        Ok(()) => Ok(fields),
        Err(_) => {
            let text = complaint.take().unwrap_or(Cow::Borrowed("unable to parse JSON object"));
            Err(Refused::bad_request(text))
        }
    }
}

/// Which of the two objects of a request is being read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Request,
    Payload,
}

impl Level {
    /// How deep the values of its fields are: the request's own object is 1.
    fn depth_of_fields(self) -> usize {
        match self {
            Self::Request => 2,
            Self::Payload => 3,
        }
    }
}

/// Reads one object into the fields.
struct Object<'f, 'b> {
    level: Level,
    fields: &'f mut Fields<'b>,
    /// What to say instead of "unable to parse", where we know better.
    complaint: &'f Cell<Option<Cow<'static, str>>>,
}

impl<'b> Object<'_, 'b> {
    fn field<M: MapAccess<'b>>(&mut self, name: &str, map: &mut M) -> Result<(), M::Error> {
        let Fields {
            action, collection, value, key, expected, if_version, end, prefix, limit, ..
        } = &mut *self.fields;
        match (self.level, name) {
            (Level::Request, "action") => *action = text(map)?,
            (Level::Request, "payload") => {
                let (fields, complaint) = (&mut *self.fields, self.complaint);
                map.next_value_seed(Object { level: Level::Payload, fields, complaint })?;
            }
            (Level::Payload, "collection") => *collection = text(map)?,
            (Level::Payload, "value") => *value = text(map)?,
            (Level::Payload, "key") => *key = text(map)?,
            (Level::Payload, "expected") => {
                *expected = text(map)?.map_or(Expected::Null, Expected::Value);
            }
            (Level::Payload, "if_version") => *if_version = map.next_value()?,
            (Level::Payload, "end") => *end = text(map)?,
            (Level::Payload, "prefix") => *prefix = text(map)?,
            (Level::Payload, "limit") => *limit = map.next_value()?,
            (Level::Payload, "cursor") => self.fields.cursor = text(map)?,
            (Level::Payload, "consistency") => self.fields.consistency = text(map)?,
            (Level::Payload, "ttl_ms") => {
                self.fields.ttl_ms = map.next_value::<Option<IgnoredNumber>>()?.is_some();
            }
            (level, _) => map.next_value_seed(Skip { depth: level.depth_of_fields() })?,
        }
        Ok(())
    }

    fn complain<E: de::Error>(&self, text: String) -> E {
        self.complaint.set(Some(Cow::Owned(text)));
        E::custom("refused")
    }
}

/// A text, or none for null: rdbv2 takes null for an empty text.
fn text<'b, M: MapAccess<'b>>(map: &mut M) -> Result<Option<Text<'b>>, M::Error> {
    map.next_value()
}

impl<'b> DeserializeSeed<'b> for Object<'_, 'b> {
    type Value = ();

    fn deserialize<D: Deserializer<'b>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'b> Visitor<'b> for Object<'_, 'b> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        match self.level {
            // A payload may be absent, and null is how some clients say so.
            Level::Payload => Ok(()),
            Level::Request => Err(E::invalid_type(de::Unexpected::Unit, &self)),
        }
    }

    fn visit_map<M: MapAccess<'b>>(mut self, mut map: M) -> Result<(), M::Error> {
        let mut seen: Vec<Cow<'b, str>> = Vec::with_capacity(8);
        while let Some(Text(name)) = map.next_key()? {
            if seen.contains(&name) {
                // The name is the client's own; escaped, since it may be anything.
                let shown: String = name.chars().take(32).flat_map(char::escape_default).collect();
                return Err(
                    self.complain(format!("field \"{shown}\" is given twice; give it once"))
                );
            }
            if seen.len() == FIELDS_MAX {
                let text = format!("too many fields in one object: at most {FIELDS_MAX}");
                return Err(self.complain(text));
            }
            self.field(&name, &mut map)?;
            seen.push(name);
        }
        Ok(())
    }
}

impl<'b> Deserialize<'b> for Text<'b> {
    fn deserialize<D: Deserializer<'b>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl<'b> Visitor<'b> for TextVisitor {
    type Value = Text<'b>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'b str) -> Result<Text<'b>, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Text<'b>, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }

    fn visit_string<E>(self, text: String) -> Result<Text<'b>, E> {
        Ok(Text(Cow::Owned(text)))
    }
}

/// A number whose value is of no interest.
struct IgnoredNumber;

impl<'b> Deserialize<'b> for IgnoredNumber {
    fn deserialize<D: Deserializer<'b>>(json: D) -> Result<Self, D::Error> {
        f64::deserialize(json).map(|_| Self)
    }
}

/// Skips a value of any kind, down to a depth.
#[derive(Clone, Copy)]
struct Skip {
    /// Of the value, if it is an array or object.
    depth: usize,
}

impl Skip {
    fn inner<E: de::Error>(self) -> Result<Self, E> {
        if self.depth > JSON_DEPTH_MAX {
            return Err(E::custom("too deep"));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'b> DeserializeSeed<'b> for Skip {
    type Value = ();

    fn deserialize<D: Deserializer<'b>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'b> Visitor<'b> for Skip {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'b>>(self, mut seq: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        while seq.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<M: MapAccess<'b>>(self, mut map: M) -> Result<(), M::Error> {
        let inner = self.inner()?;
        while map.next_key::<IgnoredAny>()?.is_some() {
            map.next_value_seed(inner)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
