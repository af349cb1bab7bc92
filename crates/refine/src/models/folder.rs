//! The files of a model's folder.

use super::ModelError;
use candle_core::{DType, Device};
use candle_nn::VarBuilder;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// A model's folder and its configuration.
pub(super) struct Folder {
    path: PathBuf,
    config: Map<String, Value>,
}

impl Folder {
    pub(super) fn open(path: &Path) -> Result<Self, ModelError> {
        let file = path.join("config.json");
        let config = object(&file)?;
        Ok(Self { path: path.to_owned(), config })
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// A field of the configuration; `None` where it is absent or null.
    pub(super) fn field(&self, name: &str) -> Option<&Value> {
        self.config.get(name).filter(|value| !value.is_null())
    }

    /// A number of the configuration.
    pub(super) fn number(&self, name: &str) -> Result<usize, ModelError> {
        let number = self.field(name).and_then(Value::as_u64);
        number.map(|n| n as usize).ok_or_else(|| self.wrong(name, "a whole number is expected"))
    }

    /// A number of another JSON file of the folder; `None` where there is no such file or field.
    pub(super) fn number_in(&self, file: &str, field: &str) -> Result<Option<usize>, ModelError> {
        let file = self.file(file);
        if !file.exists() {
            return Ok(None);
        }
        Ok(object(&file)?.get(field).and_then(Value::as_u64).map(|n| n as usize))
    }

    /// The configuration as a type of candle's. `defaults` stand in for fields that publishers may
    /// leave out.
    pub(super) fn config<T: serde::de::DeserializeOwned>(
        &self,
        defaults: &[(&str, Value)],
    ) -> Result<T, ModelError> {
        let mut config = self.config.clone();
        config.retain(|_, value| !value.is_null());
        for (name, value) in defaults {
            config.entry(*name).or_insert_with(|| value.clone());
        }
        serde_json::from_value(Value::Object(config))
            .map_err(|error| self.wrong("configuration", &error.to_string()))
    }

    /// An error about a field of the configuration.
    pub(super) fn wrong(&self, field: &str, why: &str) -> ModelError {
        let path = self.file("config.json");
        ModelError::Config { path, field: field.to_owned(), why: why.to_owned() }
    }

    /// Reads the weights.
    pub(super) fn weights(&self) -> Result<VarBuilder<'static>, ModelError> {
        let path = self.file("model.safetensors");
        let bytes =
            std::fs::read(&path).map_err(|source| ModelError::Io { path: path.clone(), source })?;
        VarBuilder::from_buffered_safetensors(bytes, DType::F32, &Device::Cpu)
            .map_err(|source| ModelError::Weights { path, source })
    }

    /// Names the weights' file in an error of candle's.
    pub(super) fn in_weights(&self) -> impl Fn(candle_core::Error) -> ModelError + '_ {
        |source| ModelError::Weights { path: self.file("model.safetensors"), source }
    }
}

/// A JSON file that holds an object.
pub(super) fn object(path: &Path) -> Result<Map<String, Value>, ModelError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ModelError::Io { path: path.to_owned(), source })?;
    serde_json::from_str(&text).map_err(|error| ModelError::Config {
        path: path.to_owned(),
        field: "file".to_owned(),
        why: error.to_string(),
    })
}
