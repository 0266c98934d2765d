import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** A certificate authority of nobody's, made anew for each run by the `openssl` on PATH. */
export class Authority {
  private readonly folder = mkdtempSync(path.join(tmpdir(), "valmi-agent-keys-ca-"));
  readonly certificate: string;

  constructor(name: string) {
    this.openssl(
      "req",
      "-x509",
      ...this.newKey("ca"),
      "-subj",
      `/CN=${name}`,
      "-days",
      "2",
      "-out",
      this.at("ca.pem"),
    );
    this.certificate = readFileSync(this.at("ca.pem"), "utf8");
  }

  /** @param subject such as `DNS:localhost` or `IP:127.0.0.1` */
  issue(subject: string, { expired = false } = {}): Certificate {
    const file = subject.replace(/\W/g, "-");
    writeFileSync(this.at(`${file}.ext`), `subjectAltName=${subject}\n`);
    this.openssl("req", ...this.newKey(file), "-subj", "/CN=server", "-out", this.at(`${file}.csr`));
    const signer = ["-CA", this.at("ca.pem"), "-CAkey", this.at("ca.key"), "-CAcreateserial"];
    // A certificate for minus one day ended yesterday.
    const days = ["-days", expired ? "-1" : "2"];
    const [csr, ext, pem] = [`${file}.csr`, `${file}.ext`, `${file}.pem`].map((name) => this.at(name)) as [
      string,
      string,
      string,
    ];
    this.openssl("x509", "-req", "-in", csr, "-extfile", ext, ...signer, ...days, "-out", pem);
    return { cert: readFileSync(pem, "utf8"), key: readFileSync(this.at(`${file}.key`), "utf8") };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  private newKey(name: string): string[] {
    return [
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      "-nodes",
      "-keyout",
      this.at(`${name}.key`),
    ];
  }

  private at(file: string): string {
    return path.join(this.folder, file);
  }

  private openssl(...args: string[]): void {
    execFileSync("openssl", args, { stdio: "pipe" });
  }
}
