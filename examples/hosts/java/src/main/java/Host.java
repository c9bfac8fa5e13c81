import com.dylibso.chicory.compiler.InterpreterFallback;
import com.dylibso.chicory.compiler.MachineFactoryCompiler;
import com.dylibso.chicory.runtime.ByteArrayMemory;
import com.dylibso.chicory.runtime.HostFunction;
import com.dylibso.chicory.runtime.ImportValues;
import com.dylibso.chicory.runtime.Instance;
import com.dylibso.chicory.wasm.Parser;
import com.dylibso.chicory.wasm.types.FunctionType;
import com.dylibso.chicory.wasm.types.MemoryLimits;
import com.dylibso.chicory.wasm.types.UnknownCustomSection;
import com.dylibso.chicory.wasm.types.ValType;
import com.google.gson.Gson;
import com.google.gson.reflect.TypeToken;
import java.io.*;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.*;
import java.util.*;

/**
 * A host for firstseen rules on Chicory, from docs/abi.md: the pure way, `keys` and `decide`.
 *
 *     mvn -q package
 *     java -cp 'target/classes:target/lib/*' Host RULE.no-simd.wasm SETTINGS.json STATE.json < events.ndjson > alerts.ndjson
 *
 * Build the rule with `--no-simd`: Chicory's compiler takes no SIMD. Without settings or state, these files
 * contain `{}`. Events that could not be evaluated are reported on standard error with their line. Alerts are
 * written before the state is saved at the end of the input: after a crash the same alerts come again, with
 * the same ids.
 */
public class Host {
    static final int MATCHED = 1, EXCEPTED = 4, NO_EVENTS = 5, ALERT = 1, ERROR = 5, ABSENT = -1, AWAY = -2;

    record Meta(int format, int abi, List<Rule> rules) { record Rule(String key_prefix) {} }
    record Settings(String tenant) {}
    record Item(byte[] raw, List<String> keys) {}

    final Instance guest;
    final List<String> prefixes = new ArrayList<>();
    final Map<String, byte[]> state = new TreeMap<>();
    final PrintStream out = new PrintStream(new BufferedOutputStream(new FileOutputStream(FileDescriptor.out)));

    Host(byte[] wasm, byte[] settings) {
        var module = Parser.parse(wasm);
        var section = (UnknownCustomSection) module.customSection("firstseen.rules");
        check(section != null, "this is not a rule");
        var meta = new Gson().fromJson(text(section.bytes()), Meta.class);
        var tenant = new Gson().fromJson(text(settings), Settings.class).tenant();
        meta.rules().forEach(r -> prefixes.add((tenant == null ? "default" : tenant) + ":" + r.key_prefix()));
        // The imports do nothing, because the host reads the store between the two steps.
        var pages = module.memorySection().orElseThrow().getMemory(0).limits().initialPages();
        guest = Instance.builder(module)
            .withImportValues(ImportValues.builder()
                .addFunction(imported("kv_get", "iiii", "i", AWAY), imported("kv_cas", "iiiiiiIii", "i", AWAY), imported("log", "iii", "", 0))
                .build())
            .withMemoryLimits(new MemoryLimits(pages, 3072))
            .withMemoryFactory(ByteArrayMemory::new)
            // A few functions are larger than the JVM's methods can be: these are interpreted.
            .withMachineFactory(MachineFactoryCompiler.builder(module).withInterpreterFallback(InterpreterFallback.SILENT).compile())
            .build();
        var version = guest.export("abi_version").apply()[0];
        check(meta.format() == 1 && meta.abi() == 1 && version == 1, "the rule needs a newer host");
        check(text(call("configure", settings)).equals("{}"), "the settings cannot be used");
    }

    static HostFunction imported(String name, String parameters, String results, long answer) {
        var types = FunctionType.of(types(parameters), types(results));
        return new HostFunction("firstseen_v1", name, types, (instance, given) -> results.isEmpty() ? null : new long[] {answer});
    }

    static List<ValType> types(String letters) {
        return letters.chars().mapToObj(c -> c == 'i' ? ValType.I32 : ValType.I64).toList();
    }

    /** Passes a buffer to an export and copies the packed result (section 2), which is not trusted. */
    byte[] call(String name, byte[] data, long... more) {
        var at = (int) guest.export("alloc").apply(data.length)[0];
        check(at != 0, "the rule has no room");
        guest.memory().write(at, data);
        var given = new long[2 + more.length];
        given[0] = at;
        given[1] = data.length;
        System.arraycopy(more, 0, given, 2, more.length);
        var packed = guest.export(name).apply(given)[0];
        check(packed != 0, name + ": no result");
        var result = guest.memory().readBytes((int) (packed >>> 32), (int) packed); // throws outside of the memory
        guest.export("reset").apply();
        return result;
    }

    /** Step one (section 4): the items that match, with their keys. 0: this host has no clock. */
    List<Item> matches(byte[] event, int line) {
        var in = little(call("keys", event, 0, 0, 0));
        check(in.getInt(0) == 0, "keys: status " + in.getInt(0));
        var items = new ArrayList<Item>();
        for (int left = in.getInt(24), at = 32; left > 0; left--) {
            var raw = part(in, at, in.getInt(at));
            var head = little(raw);
            at += raw.length;
            int kind = head.get(4), terms = u16(head, 40), term = 44 + u16(head, 42);
            var keys = new ArrayList<String>();
            for (; terms > 0; terms--, term += 6 + u16(head, term) + head.getInt(term + 2)) {
                keys.add(text(part(head, term + 6, u16(head, term))));
            }
            check(keys.stream().allMatch(k -> k.length() <= 256 && prefixes.stream().anyMatch(k::startsWith)), "the rule asks for a key that is not its own");
            if (kind == MATCHED) {
                items.add(new Item(raw, keys));
            } else if (kind != EXCEPTED && kind != NO_EVENTS) {
                System.err.println("line " + line + ": " + text(part(head, 44, u16(head, 42))));
            }
        }
        return items;
    }

    /** Step two (section 5): the new terms. Nothing else writes to this state, so no write fails. */
    void handle(byte[] event, int line) {
        var items = matches(event, line);
        var known = new ArrayList<>(new LinkedHashSet<>(items.stream().flatMap(item -> item.keys().stream()).toList()));
        var request = new ByteArrayOutputStream();
        request.writeBytes(number(4, known.size()));
        request.writeBytes(number(4, items.size()));
        for (var key : known) {
            var value = state.get(key);
            request.writeBytes(number(2, key.length()));
            request.writeBytes(number(4, value == null ? ABSENT : value.length));
            request.writeBytes(key.getBytes());
            request.writeBytes(value == null ? new byte[0] : value);
        }
        for (var item : items) {
            request.writeBytes(item.raw());
            request.writeBytes(number(4, event.length));
            request.writeBytes(event);
        }
        var in = little(call("decide", request.toByteArray()));
        check(in.getInt(0) == 0, "decide: status " + in.getInt(0));
        int at = 16;
        for (int left = in.getInt(4); left > 0; left--) {
            var value = part(in, at + 16, in.getInt(at + 4));
            state.put(known.get(in.getInt(at)), value);
            at += 16 + value.length;
        }
        for (int left = in.getInt(8); left > 0; left--) {
            var text = part(in, at + 12, in.getInt(at + 8));
            var kind = in.get(at + 6);
            at += 12 + text.length;
            if (kind == ALERT) {
                out.writeBytes(text);
                out.write('\n');
            } else if (kind == ERROR) {
                System.err.println("line " + line + ": " + text(text));
            }
        }
    }

    public static void main(String[] args) throws IOException {
        Path rule = Path.of(args[0]), settings = Path.of(args[1]), saved = Path.of(args[2]), fresh = Path.of(args[2] + ".new");
        var host = new Host(Files.readAllBytes(rule), Files.readAllBytes(settings));
        var map = new TypeToken<Map<String, String>>() {}.getType();
        Map<String, String> values = new Gson().fromJson(Files.readString(saved), map); // in base64
        values.forEach((key, value) -> host.state.put(key, Base64.getDecoder().decode(value)));
        var in = new BufferedInputStream(System.in);
        var line = new ByteArrayOutputStream();
        for (int number = 1, read = 0; read != -1; number++) {
            for (line.reset(); (read = in.read()) != -1 && read != '\n'; ) line.write(read);
            if (line.size() > 0 || read != -1) host.handle(line.toByteArray(), number);
        }
        host.out.flush();
        values = new TreeMap<>();
        for (var entry : host.state.entrySet()) values.put(entry.getKey(), Base64.getEncoder().encodeToString(entry.getValue()));
        Files.writeString(fresh, new Gson().toJson(values));
        Files.move(fresh, saved, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
    }

    static ByteBuffer little(byte[] bytes) { return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN); }

    static int u16(ByteBuffer in, int at) { return in.getShort(at) & 0xffff; }

    static byte[] part(ByteBuffer in, int at, int size) {
        check(at >= 0 && size >= 0 && at <= in.capacity() - size, "the rule names bytes that are not there");
        return Arrays.copyOfRange(in.array(), at, at + size);
    }

    static byte[] number(int size, int value) {
        var bytes = ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(value).array();
        return Arrays.copyOf(bytes, size);
    }

    static String text(byte[] bytes) { return new String(bytes, java.nio.charset.StandardCharsets.UTF_8); }

    static void check(boolean right, String text) { if (!right) throw new IllegalStateException(text); }
}
