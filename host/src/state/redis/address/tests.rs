//! What an address may look like, and that no secret is in what is said of it.

use super::*;
use crate::state::shared::WeakServer;
use std::time::Instant;

fn options(tenant: Option<&str>) -> SharedOptions {
    SharedOptions {
        tenant: tenant.map(str::to_owned),
        password: None,
        weak: WeakServer::Refuse,
        wait: None,
        is_stopped: Box::new(|| false),
        tell: Box::new(|_| {}),
        now_ms: || 0,
        instant: Instant::now,
    }
}

fn fault(text: &str) -> String {
    let fault = ServerAddress::read(text, &options(Some("acme"))).err();
    fault.unwrap_or_else(|| panic!("{text} is taken")).to_string()
}

#[test]
fn what_is_wrong_is_said_without_the_secret() {
    for (text, word) in [
        ("redis://u:secret@h:x/0", "no address"),
        ("redis://u:secret@h/one", "no address"),
        ("redis://u:secret@h/-1", "database"),
        ("redis://u:secr/et@h/0", "no address"),
        ("redis://u:secret@h?tenant=other", "have to agree"),
        ("redis://u:secret@h?pass=secret", "FIRSTSEEN_STATE_PASSWORD"),
        ("redis://u:secret@h?ca_file=/x", "rediss://"),
        ("rediss://u:secret@h#insecure", "always checked"),
        ("redis://u:secret@h?password_file=/nowhere/at/all", "/nowhere/at/all"),
        ("redis://h?user=u", "password_file"),
        ("redis://h?colour=secret", "`colour`"),
        ("redis://h?sentinel_user=a", "no option"),
        ("redis+cluster://u:secret@a,b/1", "no database but 0"),
        ("redis+cluster://u:secret@a,b:x", "no address"),
        ("redis+sentinel://u:secret@a", "no name of a master"),
        ("redis+sentinel://a/m?sentinel_user=u", "sentinel_password_file"),
    ] {
        let fault = fault(text);
        assert!(fault.contains(word), "{text}: {fault}");
        assert!(!fault.contains("secret") && !fault.contains("secr"), "{fault}");
    }
}

fn settings_of(address: &ServerAddress) -> RedisConnectionInfo {
    let ServerPlace::One(client) = &address.servers else { panic!("one server") };
    client.get_connection_info().redis_settings().clone()
}

fn places(clients: &[Client]) -> Vec<String> {
    clients.iter().map(|client| client.get_connection_info().addr().to_string()).collect()
}

#[test]
fn an_address_of_several_servers_has_all_its_parts() {
    let read = |text: &str| ServerAddress::read(text, &options(None)).unwrap();
    let cluster = read("redis+cluster://ann:p%2Fw@a:7000,b?tenant=x");
    assert_eq!(cluster.name, "redis+cluster://a:7000,b, tenant x");
    let ServerPlace::Cluster(seeds) = &cluster.servers else { panic!("a cluster") };
    assert_eq!(places(seeds), ["a:7000", "b:6379"]);
    for seed in seeds {
        let settings = seed.get_connection_info().redis_settings();
        assert_eq!((settings.username(), settings.password()), (Some("ann"), Some("p/w")));
    }
    let sentinel = read("redis+sentinel://ann:pw@a,b:1/mymaster/3");
    let ServerPlace::Sentinels(sentinels, master) = &sentinel.servers else { panic!("sentinels") };
    assert_eq!(
        (places(sentinels), master.as_str()),
        (vec!["a:26379".into(), "b:1".into()], "mymaster")
    );
    let settings = sentinels[0].get_connection_info().redis_settings();
    // Sentinels have users of their own.
    assert_eq!((settings.username(), settings.password(), settings.db()), (None, None, 0));
    let master = sentinel.node.client("c", 7).unwrap();
    let settings = master.get_connection_info().redis_settings();
    assert_eq!((settings.username(), settings.db()), (Some("ann"), 3));
}

#[test]
fn an_address_has_all_its_parts() {
    let read = |text: &str| ServerAddress::read(text, &options(None)).unwrap();
    let one = read("redis://ann:p%2Fw@h:7000/3?tenant=a.b");
    assert_eq!((one.name.as_str(), one.tenant.as_str()), ("redis://h:7000/3, tenant a.b", "a.b"));
    let settings = settings_of(&one);
    assert_eq!((settings.username(), settings.password()), (Some("ann"), Some("p/w")));
    assert_eq!(settings.db(), 3);
    let two = read("redis+unix:///run/r.sock?db=2");
    assert_eq!((two.tenant.as_str(), settings_of(&two).db()), ("default", 2));
    for wrong in ["a:b", "", "a}b", "a*"] {
        assert!(the_tenant(Some(wrong.to_owned()), None).is_err());
    }
}
