//! stub
#[derive(Clone, Debug)]
pub struct Copy {
    pub from: Option<String>,
    pub mark: &'static str,
}
