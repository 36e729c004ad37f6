//! Every hint is followed: a mistake, what the hint says to do, and the configuration that does it, which
//! is accepted.

use super::{good, refused};

/// A mistake, a part of its hint, and the corrected text.
const FOLLOWED: &[(&str, &str, &str)] = &[
    ("host = 1", "write [host] on a line of its own", "[host]\nstrict = true"),
    ("host = 1", "or name a key of it: host.KEY", "host.strict = true"),
    (
        "[server]\nlisten = 'localhost:70'",
        "write \"127.0.0.1:70\"",
        "[server]\nlisten = '127.0.0.1:70'",
    ),
    ("[server]\nlisten = ':70'", "write \"0.0.0.0:70\"", "[server]\nlisten = '0.0.0.0:70'"),
    ("[server]\nlisten = 'x'", "such as \"[::1]:7070\"", "[server]\nlisten = '[::1]:7070'"),
    (
        "[admin]\nlisten = '0.0.0.0:7071'",
        "listen on \"127.0.0.1:7071\"",
        "[admin]\nlisten = '127.0.0.1:7071'",
    ),
    (
        "[server]\nlisten = '127.0.0.1:7071'",
        "each need a port of their own",
        "[server]\nlisten = '127.0.0.1:7071'\n[admin]\nlisten = '127.0.0.1:7072'",
    ),
    (
        "[defaults]\nmemory = '1.5GiB'",
        "\"1536MiB\" for one and a half GiB",
        "[defaults]\nmemory = '1536MiB'\ntotal_memory = '2GiB'",
    ),
    ("[defaults]\nmemory = '64 MiBs'", "KiB, MiB, GiB, TiB (1024)", "[defaults]\nmemory = '64MiB'"),
    (
        "[defaults]\nmemory = '1GiB'",
        "raise total_memory, or lower memory",
        "[defaults]\nmemory = '1GiB'\ntotal_memory = '1GiB'",
    ),
    (
        "[plugins.x]\nmemory = '1GiB'",
        "raise total_memory, or lower memory",
        "[plugins.x]\nmemory = '512MiB'",
    ),
    (
        "[defaults]\nrecycle_memory = '1GiB'",
        "or write \"0B\" for never",
        "[defaults]\nrecycle_memory = '0B'",
    ),
    (
        "[defaults]\nhealth_deadline = '20s'",
        "raise health_every",
        "[defaults]\nhealth_deadline = '20s'\nhealth_every = '30s'",
    ),
    (
        "[defaults]\nhealth_deadline = '20s'",
        "write health_every = \"0s\" for never",
        "[defaults]\nhealth_deadline = '20s'\nhealth_every = '0s'",
    ),
    (
        "[plugins.a]\nafter = ['b']\n[plugins.b]\nafter = ['a']",
        "remove one of them",
        "[plugins.a]\nafter = ['b']",
    ),
    (
        "[plugins.x]\nconfig = 1",
        "write [plugins.x.config] and the plugin's own keys below it",
        "[plugins.x.config]\nn = 1",
    ),
    (
        "[plugins.x]\nartifact = 'a/hello.wasm'",
        "such as \"hello.wasm\"",
        "[plugins.x]\nartifact = 'hello.wasm'",
    ),
    (
        "[plugins.'A b']\nenabled = true",
        "a name with a dot is quoted: [plugins.\"a.b\"]",
        "[plugins.\"a.b\"]\nenabled = true",
    ),
    (
        "[plugins.x.grants]\nread = ['/srv/x']\nwrite = ['/srv/x']",
        "a folder in `write` can be read as well",
        "[plugins.x.grants]\nwrite = ['/srv/x']",
    ),
    (
        "[plugins.x.grants]\nread = ['/srv/x']\nwrite = ['/srv/x']",
        "give others another path: { host = \"/srv/x\", guest = \"/x\" }",
        "[plugins.x.grants]\nread = [{ host = \"/srv/x\", guest = \"/x\" }]\nwrite = ['/srv/y']",
    ),
    (
        "[plugins.x.grants]\nread = [{ guest = '/x' }]",
        "name the folder: { host = \"/srv/x\", guest = \"/x\" }",
        "[plugins.x.grants]\nread = [{ host = \"/srv/x\", guest = \"/x\" }]",
    ),
    (
        "[plugins.x.grants]\nread = ['data']",
        "guest = \"/data\" }",
        "[plugins.x.grants]\nread = [{ host = 'data', guest = \"/data\" }]",
    ),
    (
        "[plugins.x.grants]\nenvironment = { 'A=B' = 'c' }",
        "write environment = { NAME = \"value\" }",
        "[plugins.x.grants]\nenvironment = { NAME = \"value\" }",
    ),
    ("routes = 1", "each under a line [[routes]]", "[[routes]]\npath = '/a'\nhandler = 'a'"),
    (
        "routes = [1]",
        "write [[routes]], and its keys below",
        "[[routes]]\npath = '/a'\nhandler = 'a'",
    ),
    (
        "[[routes]]\npath = '/a'",
        "path = \"/hello/{name}\", handler = \"hello\"",
        "[[routes]]\npath = \"/hello/{name}\"\nhandler = \"hello\"",
    ),
    (
        "[[routes]]\npath = '/a'\nhandler = 'a'\nmethods = ['get it']",
        "an empty array means all",
        "[[routes]]\npath = '/a'\nhandler = 'a'\nmethods = []",
    ),
    (
        "[[routes]]\npath = '/a'\nhandler = 'handler:a'",
        "without its kind: \"a\"",
        "[[routes]]\npath = '/a'\nhandler = \"a\"",
    ),
    (
        "[[routes]]\npath = '/a'\nhandler = 'a b'",
        "such as \"hello\"",
        "[[routes]]\npath = '/a'\nhandler = \"hello\"",
    ),
    (
        "[[routes]]\npath = 'a'\nhandler = 'a'",
        "write \"/a\"",
        "[[routes]]\npath = \"/a\"\nhandler = 'a'",
    ),
    (
        "[[routes]]\npath = '/a?b'\nhandler = 'a'",
        "match the path only",
        "[[routes]]\npath = '/a'\nhandler = 'a'",
    ),
    (
        "[[routes]]\npath = '/{a'\nhandler = 'a'",
        "write the pattern as \"/hello/{name}\"",
        "[[routes]]\npath = \"/hello/{name}\"\nhandler = 'a'",
    ),
    (
        "[[routes]]\npath = '/{*rest}/a'\nhandler = 'a'",
        "write the pattern as \"/files/{*rest}\"",
        "[[routes]]\npath = \"/files/{*rest}\"\nhandler = 'a'",
    ),
    (
        "[[routes]]\npath = '/{a}{b}'\nhandler = 'a'",
        "write the pattern as \"/{first}/{second}\"",
        "[[routes]]\npath = \"/{first}/{second}\"\nhandler = 'a'",
    ),
    (
        "[[routes]]\npath = '/a'\nhandler = 'a'\n[[routes]]\npath = '/a'\nhandler = 'b'",
        "give the two routes different methods",
        "[[routes]]\npath = '/a'\nmethods = ['GET']\nhandler = 'a'\n\
         [[routes]]\npath = '/a'\nmethods = ['PUT']\nhandler = 'b'",
    ),
    (
        "[[routes]]\npath = '/{a}'\nmethods = ['GET']\nhandler = 'a'\n\
         [[routes]]\npath = '/{b}'\nmethods = ['PUT']\nhandler = 'b'",
        "name their parameters alike",
        "[[routes]]\npath = '/{a}'\nmethods = ['GET']\nhandler = 'a'\n\
         [[routes]]\npath = '/{a}'\nmethods = ['PUT']\nhandler = 'b'",
    ),
    (
        "[capabilities.json]\nstrategy = 'failover'",
        "write [capabilities.\"codec:json\"]",
        "[capabilities.\"codec:json\"]\nstrategy = 'failover'\nproviders = ['a', 'b']",
    ),
    (
        "[capabilities.'codec:json']\nproviders = ['a']",
        "write strategy = \"failover\", \"split\" or \"canary\"",
        "[capabilities.'codec:json']\nstrategy = \"failover\"\nproviders = ['a', 'b']",
    ),
    (
        "[capabilities.'codec:json']\nstrategy = 'failover'",
        "providers = [\"json\", \"json-fast\"]",
        "[capabilities.'codec:json']\nstrategy = 'failover'\nproviders = [\"json\", \"json-fast\"]",
    ),
    (
        "[capabilities.'codec:json']\nstrategy = 'split'\nproviders = ['a', 'b']\nweights = [1]",
        "weights = [90, 10]",
        "[capabilities.'codec:json']\nstrategy = 'split'\nproviders = ['a', 'b']\nweights = [90, 10]",
    ),
    (
        "[capabilities.'codec:json']\nstrategy = 'canary'\nsteps = [2, 1]",
        "steps = [1, 10, 50, 100]",
        "[capabilities.'codec:json']\nstrategy = 'canary'\nsteps = [1, 10, 50, 100]",
    ),
    (
        "[capabilities.'codec:json']\nstrategy = 'canary'\nlatency = 0.5",
        "0 ignores latency",
        "[capabilities.'codec:json']\nstrategy = 'canary'\nlatency = 0",
    ),
    (
        "[capabilities.'codec:json']\nstrategy = 'canary'\nkey = 'path'",
        "remove the key",
        "[capabilities.'codec:json']\nstrategy = 'canary'",
    ),
    (
        "[capabilities.'handler:a']\nstrategy = 'canary'\nkey = 'cookie'",
        "write \"header:NAME\", \"query:NAME\", \"param:NAME\"",
        "[capabilities.'handler:a']\nstrategy = 'canary'\nkey = \"header:cookie\"",
    ),
    (
        "migrations = 1",
        "each under a line [[migrations]]",
        "[[migrations]]\nremove = 'codec:a'\nrequires = 'codec:b'",
    ),
    (
        "[[migrations]]\nremove = 'codec:a'",
        "remove = \"codec:json-v1\", requires = \"codec:json-v2\"",
        "[[migrations]]\nremove = \"codec:json-v1\"\nrequires = \"codec:json-v2\"",
    ),
    (
        "[[migrations]]\nremove = 'codec:a'\nrequires = 'codec:a'",
        "name what replaces the removed one",
        "[[migrations]]\nremove = 'codec:a'\nrequires = 'codec:b'",
    ),
];

#[test]
fn what_a_hint_says_is_accepted() {
    for (mistake, hint, followed) in FOLLOWED {
        let error = refused(mistake);
        let mut hints = error.problems.iter().filter_map(|problem| problem.hint.as_deref());
        assert!(hints.any(|found| found.contains(hint)), "{mistake}\n{hint}\nfound:\n{error}");
        good(followed);
    }
}
