//! Descriptions of services: .proto files, which are compiled here, or a compiled set; and the
//! methods in them.

use std::path::{Path, PathBuf};

use prost_reflect::{DescriptorPool, MethodDescriptor, ServiceDescriptor};

/// The services that can be called.
#[derive(Clone, Debug)]
pub struct Schema {
    pool: DescriptorPool,
}

/// A method of a service.
#[derive(Clone, Debug)]
pub struct Method {
    pub(crate) descriptor: MethodDescriptor,
}

/// Why a method cannot be called, and the fix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// A .proto file cannot be compiled.
    #[error("--proto {file}: {why}")]
    Proto {
        /// The file.
        file: String,
        /// The compiler's explanation, with the place.
        why: String,
    },
    /// A compiled set cannot be used.
    #[error(
        "it is no set of descriptions with all of their imports ({0}): make it with `protoc \
         --include_imports -o FILE`"
    )]
    Set(String),
    /// There is nothing to call.
    #[error("no service is described there: name the file that has it")]
    NoService,
    /// Not a service and a method.
    #[error("`{0}` is not the name of a method: write package.Service/Method")]
    Form(String),
    /// No such service.
    #[error("service `{name}` is not described there, did you mean `{nearest}`?{others}")]
    Service {
        /// Its name.
        name: String,
        /// The nearest one.
        nearest: String,
        /// All of them, if they are few.
        others: String,
    },
    /// No such method.
    #[error("service {service} has no method `{name}`, did you mean `{nearest}`?{others}")]
    Method {
        /// The service.
        service: String,
        /// Its name.
        name: String,
        /// The nearest one.
        nearest: String,
        /// All of them, if they are few.
        others: String,
    },
    /// It has no methods at all.
    #[error("service {0} has no methods")]
    Empty(String),
}

impl Schema {
    /// The services in .proto files. Imports are searched in `folders`; without any, in the folder
    /// of each file.
    ///
    /// # Errors
    /// If a file cannot be compiled.
    pub fn of_files(files: &[PathBuf], folders: &[PathBuf]) -> Result<Self, SchemaError> {
        let parent = |file: &PathBuf| match file.parent() {
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let mut includes = folders.to_vec();
        // The compiler names files by their place below a folder.
        includes.extend(
            files
                .iter()
                .map(parent)
                .filter(|folder| !folders.iter().any(|include| folder.starts_with(include))),
        );
        includes.dedup();
        let first = files.first().map(|file| file.display().to_string()).unwrap_or_default();
        let failed = |file: String, why: &protox::Error| {
            // With the place in the file, which the short form leaves out.
            let why = format!("{why:?}").split_whitespace().collect::<Vec<_>>().join(" ");
            SchemaError::Proto { file, why }
        };
        let compiler = protox::Compiler::new(&includes);
        let mut compiler = compiler.map_err(|why| failed(first, &why))?;
        compiler.include_imports(true);
        for file in files {
            // The compiler looks elsewhere for a file that is not there.
            std::fs::metadata(file).map_err(|why| SchemaError::Proto {
                file: file.display().to_string(),
                why: format!("it cannot be read: {why}"),
            })?;
            let opened = compiler.open_file(file);
            opened.map_err(|why| failed(file.display().to_string(), &why))?;
        }
        Ok(Self { pool: compiler.descriptor_pool() })
    }

    /// The services in a compiled set (`FileDescriptorSet`).
    ///
    /// # Errors
    /// If it is none, or lacks imports.
    pub fn of_set(bytes: &[u8]) -> Result<Self, SchemaError> {
        let pool = DescriptorPool::decode(bytes);
        pool.map(|pool| Self { pool }).map_err(|why| SchemaError::Set(why.to_string()))
    }

    /// A method by its name: `package.Service/Method`.
    ///
    /// # Errors
    /// If there is none, with the nearest one.
    pub fn method(&self, name: &str) -> Result<Method, SchemaError> {
        let split = name.trim_start_matches('/').split_once('/');
        let split = split.filter(|(service, method)| !service.is_empty() && !method.is_empty());
        let (service, method) = split.ok_or_else(|| SchemaError::Form(name.to_owned()))?;
        let found = self.service(service)?;
        if let Some(descriptor) = found.methods().find(|it| it.name() == method) {
            return Ok(Method { descriptor });
        }
        let names: Vec<String> = found.methods().map(|it| it.name().to_owned()).collect();
        match nearest(method, &names) {
            None => Err(SchemaError::Empty(service.to_owned())),
            Some(nearest) => Err(SchemaError::Method {
                service: service.to_owned(),
                name: method.to_owned(),
                nearest: nearest.to_owned(),
                others: all_of(&names),
            }),
        }
    }

    fn service(&self, name: &str) -> Result<ServiceDescriptor, SchemaError> {
        if let Some(found) = self.pool.get_service_by_name(name) {
            return Ok(found);
        }
        let names: Vec<String> =
            self.pool.services().map(|service| service.full_name().to_owned()).collect();
        match nearest(name, &names) {
            None => Err(SchemaError::NoService),
            Some(nearest) => Err(SchemaError::Service {
                name: name.to_owned(),
                nearest: nearest.to_owned(),
                others: all_of(&names),
            }),
        }
    }
}

impl Method {
    /// Its path in requests: `/package.Service/Method`.
    pub fn path(&self) -> String {
        format!("/{}/{}", self.descriptor.parent_service().full_name(), self.descriptor.name())
    }

    /// Whether a call sends any number of messages.
    pub fn takes_stream(&self) -> bool {
        self.descriptor.is_client_streaming()
    }

    /// Whether any number of messages answer a call.
    pub fn returns_stream(&self) -> bool {
        self.descriptor.is_server_streaming()
    }

    /// The names of the fields of its messages.
    pub fn fields(&self) -> Vec<String> {
        self.descriptor.input().fields().map(|field| field.json_name().to_owned()).collect()
    }
}

/// The name that is most like this one.
pub(crate) fn nearest<'a>(name: &str, names: &'a [String]) -> Option<&'a str> {
    let letters = |name: &str| name.to_lowercase();
    let meant = letters(name);
    let distance = |known: &&String| {
        let last = known.rsplit('.').next().unwrap_or_default();
        // A name may lack its package.
        (letters(last) != meant, strsim::osa_distance(&meant, &letters(known)))
    };
    names.iter().min_by_key(distance).map(String::as_str)
}

/// All of these names, if they are few and more than one.
pub(crate) fn all_of(names: &[String]) -> String {
    const SHOWN_MAX: usize = 12;
    match names.len() {
        2..=SHOWN_MAX => format!(" (there are {})", names.join(", ")),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("room for a folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("it is below")).expect("it is ours");
            std::fs::write(path, text).expect("it is ours");
        }
        folder
    }

    const SHOP: &str = "syntax = 'proto3'; package shop.v1; import 'types/item.proto'; \
                        service Shop { rpc Buy(types.Item) returns (types.Item); \
                        rpc Watch(types.Item) returns (stream types.Item); \
                        rpc Fill(stream types.Item) returns (types.Item); } service Other {}";
    const ITEM: &str = "syntax = 'proto3'; package types; message Item { string item_name = 1; }";

    fn shop() -> (tempfile::TempDir, Schema) {
        let folder = folder(&[("shop.proto", SHOP), ("types/item.proto", ITEM)]);
        let schema = Schema::of_files(&[folder.path().join("shop.proto")], &[]);
        (folder, schema.expect("it compiles"))
    }

    #[test]
    fn methods_are_found_with_their_kinds() {
        let (_folder, schema) = shop();
        for (name, streams) in [
            ("shop.v1.Shop/Buy", (false, false)),
            ("/shop.v1.Shop/Watch", (false, true)),
            ("shop.v1.Shop/Fill", (true, false)),
        ] {
            let method = schema.method(name).expect(name);
            assert_eq!(method.path(), format!("/{}", name.trim_start_matches('/')));
            assert_eq!((method.takes_stream(), method.returns_stream()), streams, "{name}");
            assert_eq!(method.fields(), ["itemName"]);
        }
    }

    #[test]
    fn unknown_names_bring_the_nearest() {
        let (_folder, schema) = shop();
        for (name, parts) in [
            ("shop.v1.Shop/buy", ["has no method `buy`", "`Buy`"]),
            ("shop.v1.Shop/Wach", ["has no method", "`Watch`"]),
            ("Shop/Buy", ["service `Shop`", "`shop.v1.Shop`"]),
            ("shop.v2.Shop/Buy", ["service", "(there are "]),
            ("shop.v1.Shop.Buy", ["the name of a method", "package.Service/Method"]),
            ("shop.v1.Shop/", ["the name of a method", ""]),
            ("shop.v1.Other/Buy", ["no methods", ""]),
        ] {
            let why = schema.method(name).expect_err(name).to_string();
            assert!(parts.iter().all(|part| why.contains(part)), "{name}: {why}");
            assert!(!why.contains('\n'), "{why}");
        }
    }

    #[test]
    fn compiled_sets_are_the_same_and_others_are_refused() {
        let (_folder, schema) = shop();
        let set = schema.pool.encode_to_vec();
        assert!(Schema::of_set(&set).and_then(|it| it.method("shop.v1.Shop/Buy")).is_ok());
        let file = schema.pool.get_file_by_name("shop.proto").expect("it is there");
        let file = file.file_descriptor_proto().encode_to_vec();
        // A set with one file, without its import: field 1, and a length of two bytes.
        let length = [(file.len() & 0x7f | 0x80) as u8, (file.len() >> 7) as u8];
        let alone = [&[0x0a][..], &length, &file].concat();
        let why = Schema::of_set(&alone).expect_err("it lacks an import").to_string();
        assert!(why.contains("--include_imports"), "{why}");
        assert!(Schema::of_set(b"no set").is_err());
        let empty = Schema::of_set(b"").expect("an empty set is one");
        assert_eq!(empty.method("a.B/C").err(), Some(SchemaError::NoService));
    }

    #[test]
    fn mistakes_in_files_are_one_line_with_the_place() {
        let folder = folder(&[
            ("a.proto", "syntax = 'proto3';\nmessage A { Missing m = 1; }"),
            ("b.proto", "syntax = 'proto3';\nimport 'nowhere.proto';"),
            ("c.proto", "syntax = 'proto3';\nmessage {"),
        ]);
        for (name, parts) in [
            ("a.proto", ["Missing", "2"]),
            ("b.proto", ["nowhere.proto", ""]),
            ("c.proto", ["expected", "2"]),
            ("none.proto", ["none.proto", ""]),
        ] {
            let why = Schema::of_files(&[folder.path().join(name)], &[]).expect_err(name);
            let why = why.to_string();
            assert!(parts.iter().all(|part| why.contains(part)), "{name}: {why}");
            assert!(!why.contains('\n'), "{why}");
        }
        let imports = [folder.path().join("a folder that is not there")];
        assert!(Schema::of_files(&[folder.path().join("c.proto")], &imports).is_err());
    }
}
