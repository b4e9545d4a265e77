//! stub
use std::borrow::Cow;
pub struct External<'v> {
    pub store: &'static str,
    pub path: Cow<'v, str>,
}
pub struct Injected<'v> {
    pub path: Option<Cow<'v, str>>,
}
pub fn external_env(_value: &str) -> Option<External<'_>> {
    None
}
pub fn injected<'v>(_key: &'v str, _value: &'v str) -> Vec<Injected<'v>> {
    Vec::new()
}
pub fn is_of_injector(_key: &str) -> bool {
    false
}
