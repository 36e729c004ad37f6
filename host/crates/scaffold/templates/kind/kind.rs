//! The kind of plugin `kind-name`: `KindNameKind` for `Builder::kind`, `KindNameHandle` to call plugins, and
//! `KindNameMock` for tests.

plugbay::kind!("wit/kind-name.wit");

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// Checks each plugin of the folder `plugins`, if there is one: what this prints is why the application could not
    /// use it.
    #[test]
    fn plugins_conform() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins");
        let files = folder.read_dir().into_iter().flatten().flatten().map(|entry| entry.path());
        for file in files.filter(|file| file.extension().is_some_and(|it| it == "wasm")) {
            let checked = super::check_plugin(std::fs::read(&file).unwrap());
            assert_eq!(checked, Ok(()), "{}", file.display());
        }
    }
}
