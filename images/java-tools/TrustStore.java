import java.io.BufferedInputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;

/** Makes a trust store for Java out of a bundle of certificates in PEM: {@code TrustStore BUNDLE STORE}. */
public final class TrustStore {
    private TrustStore() {
    }

    public static void main(String[] arguments) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        char[] password = "changeit".toCharArray();
        store.load(null, password);
        int number = 0;
        try (InputStream bundle = new BufferedInputStream(Files.newInputStream(Path.of(arguments[0])))) {
            for (Certificate certificate : CertificateFactory.getInstance("X.509").generateCertificates(bundle)) {
                store.setCertificateEntry("ca-" + number++, certificate);
            }
        }
        try (OutputStream file = Files.newOutputStream(Path.of(arguments[1]))) {
            store.store(file, password);
        }
    }
}
