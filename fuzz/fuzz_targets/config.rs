//! Reading `config.toml`: any text is a configuration or an error with a message, and nothing panics.
//! The same for checking a plugin's configuration against any schema.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use plugbay::Config;
use plugbay::config::check_plugin_config;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Config::parse(text, Path::new("config.toml")) {
        Ok(config) => assert!(Config::pending_restart(&config, &config).is_empty()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    if let Some((schema, config)) = text.split_once('\n')
        && let (Ok(schema), Ok(config)) =
            (serde_json::from_str(schema), serde_json::from_str(config))
    {
        let _ = check_plugin_config(&schema, &config);
    }
});
