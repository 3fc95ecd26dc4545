// An HTTP server that burns CPU time in one method, reached through others: `java Server.java`.
// It prints `ready PORT` and serves until it is killed.

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;

public final class Server {
    static final int ROUNDS = 200_000;

    public static void main(String[] words) throws IOException {
        try (ServerSocket listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
            System.out.println("ready " + listener.getLocalPort());
            while (true) {
                Socket connection = listener.accept();
                new Thread(() -> serve(connection)).start();
            }
        }
    }

    static void serve(Socket connection) {
        try (connection) {
            connection.setTcpNoDelay(true);
            InputStreamReader bytes =
                new InputStreamReader(connection.getInputStream(), StandardCharsets.US_ASCII);
            BufferedReader lines = new BufferedReader(bytes);
            OutputStream out = connection.getOutputStream();
            String line;
            while ((line = lines.readLine()) != null) {
                if (line.isEmpty()) {
                    out.write(answer());
                }
            }
        } catch (IOException gone) {
            // The client has gone.
        }
    }

    static byte[] answer() {
        String body = Long.toString(burn(System.nanoTime()));
        String head = "HTTP/1.1 200 OK\r\nContent-Length: " + body.length() + "\r\n\r\n";
        return (head + body).getBytes(StandardCharsets.US_ASCII);
    }

    static long burn(long seed) {
        long value = seed | 1;
        for (int round = 0; round < ROUNDS; round++) {
            value = mix(value);
        }
        return value;
    }

    static long mix(long value) {
        value ^= value << 13;
        value ^= value >>> 7;
        return value ^ (value << 17);
    }
}
