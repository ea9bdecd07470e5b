//! Values of the engine: arguments of functions, and results.

use boa_engine::object::builtins::{AlignedVec, JsArray, JsArrayBuffer};
use boa_engine::{Context, JsArgs, JsObject, JsResult, JsString, JsValue};

/// Returns a value that the host's JavaScript has made as a function.
pub(crate) fn callable(value: &JsValue) -> JsObject {
    value
        .as_callable()
        .expect("the host's JavaScript passes functions here")
}

pub(crate) fn number(arguments: &[JsValue], index: usize) -> f64 {
    arguments.get_or_undefined(index).as_number().unwrap_or(0.0)
}

pub(crate) fn flag(arguments: &[JsValue], index: usize) -> bool {
    arguments.get_or_undefined(index).to_boolean()
}

pub(crate) fn text(arguments: &[JsValue], index: usize) -> String {
    let text = arguments.get_or_undefined(index).as_string();
    text.map(|text| text.to_std_string_lossy())
        .unwrap_or_default()
}

pub(crate) fn text_value(text: &str) -> JsValue {
    JsString::from(text).into()
}

pub(crate) fn array(values: impl IntoIterator<Item = JsValue>, context: &mut Context) -> JsValue {
    JsArray::from_iter(values, context).into()
}

pub(crate) fn bytes(bytes: Vec<u8>, context: &mut Context) -> JsResult<JsValue> {
    let block = AlignedVec::from_iter(0, bytes);
    Ok(JsArrayBuffer::from_byte_block(block, context)?.into())
}
