//! The data of the HParams plugin: the settings of runs and their results.

use super::file::now;
use super::proto::{
    DataType, Dim, Experiment, HParamInfo, HParamType, HParamsData, HParamsPluginData, Kind, MetricInfo,
    MetricName, SessionEndInfo, SessionStartInfo, Status, TensorProto, TensorShape, Value,
};
use crate::error::{Error, Result};
use prost::Message;
use std::collections::HashSet;

pub(super) const EXPERIMENT: &str = "_hparams_/experiment";
pub(super) const SESSION_START: &str = "_hparams_/session_start_info";
pub(super) const SESSION_END: &str = "_hparams_/session_end_info";

/// The value of a setting.
#[derive(Debug, Clone, PartialEq)]
pub enum HParam {
    /// A finite number.
    Number(f64),
    /// A text.
    Text(String),
    /// A boolean.
    Bool(bool),
}

impl From<f64> for HParam {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for HParam {
    fn from(yes: bool) -> Self {
        Self::Bool(yes)
    }
}

impl From<&str> for HParam {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for HParam {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// A scalar that measures the result of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricTag {
    /// The folder below that of the settings, such as `validation`; empty for the same folder.
    pub folder: String,
    /// The scalar's tag.
    pub tag: String,
}

impl MetricTag {
    /// Creates a tag for a scalar in the folder of the settings or in a folder below it.
    pub fn new(folder: impl Into<String>, tag: impl Into<String>) -> Self {
        Self { folder: folder.into(), tag: tag.into() }
    }
}

/// Returns an error if a name is repeated, or if a number cannot be written in JSON, which TensorBoard uses
/// internally.
pub(super) fn validate(hparams: &[(String, HParam)]) -> Result<()> {
    let mut names = HashSet::new();
    for (name, value) in hparams {
        if !names.insert(name) {
            let (got, expected) = (format!("two settings `{name}`"), "unique names".into());
            return Err(Error::Setting { setting: "hparams", got, expected });
        }
        if let HParam::Number(number) = value
            && !number.is_finite()
        {
            let (got, expected) = (format!("`{name}` = {number}"), "a finite number, or a text".into());
            return Err(Error::Setting { setting: "hparams", got, expected });
        }
    }
    Ok(())
}

pub(super) fn experiment(hparams: &[(String, HParam)], metrics: &[MetricTag]) -> Vec<u8> {
    let info = |(name, value): &(String, HParam)| {
        let kind = match value {
            HParam::Number(_) => HParamType::Float64,
            HParam::Text(_) => HParamType::String,
            HParam::Bool(_) => HParamType::Bool,
        };
        HParamInfo { name: name.clone(), kind: kind.into() }
    };
    let metric = |MetricTag { folder, tag }: &MetricTag| MetricInfo {
        name: Some(MetricName { group: folder.clone(), tag: tag.clone() }),
    };
    content(HParamsData::Experiment(Experiment {
        time_created_secs: now().as_secs_f64(),
        hparam_infos: hparams.iter().map(info).collect(),
        metric_infos: metrics.iter().map(metric).collect(),
    }))
}

pub(super) fn session_start(hparams: &[(String, HParam)]) -> Vec<u8> {
    let value = |(name, value): &(String, HParam)| {
        let kind = match value {
            HParam::Number(number) => Kind::Number(*number),
            HParam::Text(text) => Kind::String(text.clone()),
            HParam::Bool(yes) => Kind::Bool(*yes),
        };
        (name.clone(), Value { kind: Some(kind) })
    };
    let start_time_secs = now().as_secs_f64();
    let hparams = hparams.iter().map(value).collect();
    content(HParamsData::SessionStartInfo(SessionStartInfo { hparams, start_time_secs }))
}

pub(super) fn session_end(succeeded: bool) -> Vec<u8> {
    let status = if succeeded { Status::Success } else { Status::Failure };
    let end_time_secs = now().as_secs_f64();
    content(HParamsData::SessionEndInfo(SessionEndInfo { status: status.into(), end_time_secs }))
}

fn content(data: HParamsData) -> Vec<u8> {
    HParamsPluginData { data: Some(data) }.encode_to_vec()
}

/// Returns an empty value, because everything is in the metadata.
pub(super) fn nothing() -> TensorProto {
    let shape = TensorShape { dim: vec![Dim { size: 0 }] };
    TensorProto { dtype: DataType::Float.into(), tensor_shape: Some(shape), string_val: Vec::new() }
}
