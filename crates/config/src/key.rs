//! A config's name with the Rust type of its value, so that reading one cannot go wrong.

use std::marker::PhantomData;

use crate::{Secret, Value};

/// Names a broker config whose value reads as `T`. The constants are in [`crate::keys`].
#[derive(Debug)]
pub struct Key<T> {
    name: &'static str,
    marker: PhantomData<fn() -> T>,
}

impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Key<T> {}

impl<T> Key<T> {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self { name, marker: PhantomData }
    }

    /// Kafka's name of the config, for messages.
    pub const fn name(self) -> &'static str {
        self.name
    }
}

/// A type that a config's value reads as. `Out` is what the reader gets: numbers by value, text by reference.
pub trait ConfigValue {
    /// What [`crate::ServerConfig::get`] returns.
    type Out<'a>;
    /// Reads the value; none if it is of another type.
    fn read(value: &Value) -> Option<Self::Out<'_>>;
}

macro_rules! by_value {
    ($($rust:ty = $variant:ident),*) => {$(
        impl ConfigValue for $rust {
            type Out<'a> = $rust;
            fn read(value: &Value) -> Option<$rust> {
                match value { Value::$variant(value) => Some(*value), _ => None }
            }
        }
    )*};
}

macro_rules! by_reference {
    ($($rust:ty = $out:ty: $($variant:ident)|*),*) => {$(
        impl ConfigValue for $rust {
            type Out<'a> = &'a $out;
            fn read(value: &Value) -> Option<&$out> {
                match value { $(Value::$variant(value) => Some(value),)* _ => None }
            }
        }
    )*};
}

by_value!(bool = Boolean, i16 = Short, i32 = Int, i64 = Long, f64 = Double);
by_reference!(String = str: String | Class, Vec<String> = [String]: List, Secret = Secret: Password);

/// A config that may be unset.
impl<T: ConfigValue> ConfigValue for Option<T> {
    type Out<'a> = Option<T::Out<'a>>;
    fn read(value: &Value) -> Option<Self::Out<'_>> {
        match value {
            Value::Null => Some(None),
            value => T::read(value).map(Some),
        }
    }
}
