//! The names of the attributes of spans: those of OpenTelemetry's conventions for HTTP, and our own.

macro_rules! names {
    ($($(#[$note:meta])* $name:ident = $text:literal;)*) => {
        $($(#[$note])* pub const $name: &str = $text;)*
        /// All of them.
        pub const ALL: &[&str] = &[$($name),*];
    };
}

names! {
    /// The method of a request; `_OTHER` if HTTP does not define it.
    HTTP_METHOD = "http.request.method";
    /// The method as it came, if HTTP does not define it.
    HTTP_METHOD_ORIGINAL = "http.request.method_original";
    /// The pattern of the route.
    HTTP_ROUTE = "http.route";
    /// The status of the answer.
    HTTP_STATUS = "http.response.status_code";
    /// The path of a request, without the query.
    URL_PATH = "url.path";
    /// `http`.
    URL_SCHEME = "url.scheme";
    /// The name of the host that the client asked for.
    SERVER_ADDRESS = "server.address";
    /// The port that the client asked for, if it named one.
    SERVER_PORT = "server.port";
    /// The IP address of the client; of an IPv6 client its network.
    CLIENT_ADDRESS = "client.address";
    /// The version of HTTP.
    PROTOCOL_VERSION = "network.protocol.version";
    /// What the client calls itself.
    USER_AGENT = "user_agent.original";
    /// Why the span failed: a stable word, or the status of the answer.
    ERROR_TYPE = "error.type";
    /// The id of the request.
    REQUEST_ID = "plugbay.request.id";
    /// The number of the generation.
    GENERATION = "plugbay.generation";
    /// The capability that is called, as `codec:json`.
    CAPABILITY = "plugbay.capability";
    /// The name of the plugin.
    PLUGIN_NAME = "plugbay.plugin.name";
    /// The version of the plugin.
    PLUGIN_VERSION = "plugbay.plugin.version";
    /// The form of the plugin: `wasm`, `linked`, `native`, or the name of an application's own runtime.
    PLUGIN_FORM = "plugbay.plugin.form";
    /// The file or other source of an artifact.
    ARTIFACT = "plugbay.artifact";
    /// How it ended: a word of a closed list, which metrics have, too.
    OUTCOME = "plugbay.outcome";
}
