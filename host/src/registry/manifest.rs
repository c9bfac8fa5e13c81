//! Manifests: what a registry says of an artifact.
//!
//! In: an artifact and its metadata; or a manifest's bytes, untrusted. Out: the configuration and the manifest
//! that are pushed, the same ones for the same artifact; or the one layer that holds WebAssembly. It
//! connects to nothing.
//!
//! The layout is the one of the CNCF for WebAssembly: a configuration of type `application/vnd.wasm.config.v0+json`,
//! one layer of type `application/wasm`. Layers of two older types are taken too.

use super::reference::BlobDigest;
use anyhow::{Context, anyhow, bail};
use firstseen_artifact::Meta;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The type of a manifest of one artifact.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The types of manifests that name others.
const INDICES: [&str; 2] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];
/// The type of the configuration.
const CONFIG: &str = "application/vnd.wasm.config.v0+json";
/// The types of a layer that holds WebAssembly; the first one is what is pushed.
const WASM: [&str; 3] = [
    "application/wasm",
    "application/vnd.wasm.content.layer.v1+wasm",
    "application/vnd.module.wasm.content.layer.v1+wasm",
];
/// The name under which other tools write the layer to a file.
const FILE: &str = "rule.wasm";

/// What is pushed beside the artifact.
pub struct Described {
    /// The configuration.
    pub config: Vec<u8>,
    /// The manifest.
    pub manifest: Vec<u8>,
}

/// Describes an artifact; `created` is a time where one is to be in it.
#[must_use]
pub fn describe(wasm: &[u8], meta: &Meta, created: Option<&str>) -> Described {
    let layer = BlobDigest::of(wasm).to_string();
    let mut config = json!({ "architecture": "wasm", "os": "wasip1", "layerDigests": [&layer] });
    let mut annotations = annotations(meta);
    if let (Some(created), Some(members)) = (created, config.as_object_mut()) {
        members.insert("created".to_owned(), created.into());
        annotations.insert("org.opencontainers.image.created".to_owned(), created.into());
    }
    let config = config.to_string().into_bytes();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": { "mediaType": CONFIG, "digest": BlobDigest::of(&config).to_string(), "size": config.len() },
        "layers": [{
            "mediaType": WASM[0],
            "digest": layer,
            "size": wasm.len(),
            "annotations": { "org.opencontainers.image.title": FILE },
        }],
        "annotations": annotations,
    });
    Described { config, manifest: manifest.to_string().into_bytes() }
}

/// What the metadata says, for people who look into a registry.
fn annotations(meta: &Meta) -> Map<String, Value> {
    let mut all = Map::new();
    let mut put = |name: &str, value: &str| {
        if !value.is_empty() {
            all.insert(name.to_owned(), value.into());
        }
    };
    put("firstseen.engine", &meta.engine);
    put("firstseen.target", &meta.target);
    put("firstseen.rules", &meta.rules.len().to_string());
    if let [rule] = meta.rules.as_slice() {
        let version = rule.version.map(|version| version.to_string()).unwrap_or_default();
        put("org.opencontainers.image.title", &rule.name);
        put("org.opencontainers.image.version", &version);
        put("firstseen.rule.id", &rule.id);
        put("firstseen.rule.severity", &rule.severity);
        put("firstseen.rule.source.sha256", &rule.source_sha256);
    }
    all
}

/// A layer that holds WebAssembly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WasmLayer {
    /// Of its bytes.
    pub digest: BlobDigest,
    /// How many they are.
    pub size: u64,
}

/// The one layer of WebAssembly that a manifest names.
///
/// # Errors
/// When it is not a manifest of one such layer, and what to do.
pub fn wasm_layer(manifest: &[u8], max_size: u64) -> anyhow::Result<WasmLayer> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Manifest {
        schema_version: u32,
        media_type: Option<String>,
        #[serde(default)]
        layers: Vec<Layer>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Layer {
        media_type: String,
        digest: String,
        size: u64,
    }
    let read: Manifest = serde_json::from_slice(manifest).context("its manifest cannot be read")?;
    let kind = read.media_type.as_deref().unwrap_or(MANIFEST);
    if INDICES.contains(&kind) {
        bail!("it is an index of several artifacts: give the digest of one of them");
    }
    if kind != MANIFEST || read.schema_version != 2 {
        bail!("its manifest is of another type: only OCI image manifests are read");
    }
    let is_wasm = |layer: &&Layer| WASM.contains(&layer.media_type.as_str());
    let mut layers = read.layers.iter().filter(is_wasm);
    let (Some(layer), None) = (layers.next(), layers.next()) else {
        let count = read.layers.iter().filter(is_wasm).count();
        bail!("it has {count} layers of type {}, where a rule has one", WASM[0]);
    };
    let digest = BlobDigest::read(&layer.digest);
    let digest = digest.ok_or_else(|| anyhow!("its layer has no SHA-256 digest"))?;
    if layer.size == 0 || layer.size > max_size {
        bail!("its layer has {} bytes; a rule has between 1 and {max_size}", layer.size);
    }
    Ok(WasmLayer { digest, size: layer.size })
}

#[cfg(test)]
mod tests {
    use super::*;
    use firstseen_engines::flagship;

    #[test]
    fn the_same_artifact_is_described_by_the_same_bytes() {
        let wasm = flagship();
        let meta = Meta::read(wasm).unwrap();
        let one = describe(wasm, &meta, None);
        let again = describe(wasm, &meta, None);
        assert!(one.manifest == again.manifest && one.config == again.config);
        let timed = describe(wasm, &meta, Some("2025-01-01T00:00:00Z"));
        assert!(one.manifest != timed.manifest && one.config != timed.config);
        let manifest: Value = serde_json::from_slice(&one.manifest).unwrap();
        assert_eq!(manifest["annotations"]["firstseen.rule.id"], meta.rules[0].id.as_str());
        assert_eq!(
            manifest["annotations"]["firstseen.rule.severity"],
            meta.rules[0].severity.as_str()
        );
        assert!(!String::from_utf8(one.manifest.clone()).unwrap().contains("created"));
        let layer = WasmLayer { digest: BlobDigest::of(wasm), size: wasm.len() as u64 };
        assert_eq!(wasm_layer(&one.manifest, 1 << 20).unwrap(), layer);
    }

    #[test]
    fn what_is_not_one_layer_of_wasm_is_refused() {
        let layer = |kind: &str, size: u64| json!({ "mediaType": kind, "digest": format!("sha256:{}", "0".repeat(64)), "size": size });
        let of =
            |layers: Value| json!({ "schemaVersion": 2, "mediaType": MANIFEST, "layers": layers });
        for kind in WASM {
            let with_other = json!([layer("text/plain", 9), layer(kind, 1)]);
            assert_eq!(wasm_layer(of(with_other).to_string().as_bytes(), 9).unwrap().size, 1);
        }
        let mut index = of(json!([]));
        index["mediaType"] = INDICES[0].into();
        let mut old = of(json!([layer(WASM[0], 1)]));
        old["schemaVersion"] = 1.into();
        let mut sha512 = of(json!([layer(WASM[0], 1)]));
        sha512["layers"][0]["digest"] = "sha512:00".into();
        for (manifest, said) in [
            (json!([]), "cannot be read"),
            (of(json!([])), "0 layers"),
            (of(json!([layer("text/plain", 1)])), "0 layers"),
            (of(json!([layer(WASM[0], 1), layer(WASM[1], 1)])), "2 layers"),
            (of(json!([layer(WASM[0], 0)])), "0 bytes"),
            (of(json!([layer(WASM[0], 10)])), "10 bytes"),
            (of(json!([layer(WASM[0], u64::MAX)])), "bytes"),
            (index, "an index"),
            (old, "another type"),
            (sha512, "no SHA-256"),
        ] {
            let error =
                format!("{:#}", wasm_layer(manifest.to_string().as_bytes(), 9).unwrap_err());
            assert!(error.contains(said), "{error}");
        }
    }
}
