#!/usr/bin/env python3
"""Makes storage/dictionary_N.bin, the zstd dictionary that frames of mail are compressed with.

    tools/train_dictionary.py storage/dictionary_1.bin

A dictionary that has shipped is never changed: bodies in users' stores need it, byte for byte, for ever.  A better one
gets the next number (storage/dictionary.c).  It is trained on nothing but the mail that this script makes up: the
forms that mail programs use, and sentences of our own in the languages people write in.  The same seed gives the same
mail; the file is kept in the repository all the same, since another release of zstd may train another dictionary.
"""
import base64, pathlib, quopri, random, subprocess, sys, tempfile
from mail_phrases import CHATTER, CLOSINGS, COMMON, GREETINGS, MONTHS, NOTICES, QUOTE_LINES, RUNS, SUBJECTS, TECHNICAL

SEED, SAMPLES, DICTIONARY_BYTES = 1, 9000, 112640
R = random.Random(SEED)

NAMES = ("Anna Berg", "John Carter", "Maria Silva", "Pierre Martin", "Kenji Sato", "Olga Ivanova", "Lukas Weber", "Emma Jensen",
         "David Cohen", "Sara Rossi", "Tom Baker", "Julia Nowak", "Paul Smith", "Laura Garcia", "Peter Novak", "Nina Larsen")
WORDS = ("alpha river stone cloud north green paper silver garden window harbor copper meadow winter summer bridge lantern "
         "orchard compass anchor velvet marble thunder willow ember falcon maple quartz cedar").split()
TLDS = ("com", "com", "com", "org", "net", "de", "fr", "co.uk", "it", "es", "nl", "io", "edu", "ru", "jp", "pl", "com.br")
AGENTS = ("Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Thunderbird/115.6.0",
          "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:102.0) Gecko/20100101 Thunderbird/102.15.1", "Mozilla Thunderbird",
          "Mutt/2.2.9 (2022-11-12)", "Mutt/1.5.24 (2015-08-30)", "K-9 Mail for Android", "Roundcube Webmail/1.6.5",
          "Evolution 3.46.4-2", "Gnus/5.13 (Gnus v5.13) Emacs/28.2 (gnu/linux)", "Claws Mail 4.1.1 (GTK 3.24.38)")
MAILERS = ("Apple Mail (2.3731.700.6)", "iPhone Mail (21C62)", "Microsoft Outlook 16.0", "Microsoft Outlook Express 6.00.2600.0000",
           "Microsoft Outlook, Build 10.0.2616", "git-send-email 2.39.2", "PHPMailer 6.8.1 (https://github.com/PHPMailer/PHPMailer)",
           "Internet Mail Service (5.5.2653.19)", "QUALCOMM Windows Eudora Version 5.1", "Lotus Notes Release 5.0.8  June 18, 2001",
           "Ximian Evolution 1.0.8", "exmh version 2.5 07/13/2001 with nmh-1.0.4", "nodemailer", "MailChimp Mailer", "The Bat! (v1.61)")
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def pick(items):
    return items[R.randrange(len(items))]


def chance(percent):
    return R.randrange(100) < percent


def letters(n, alphabet="abcdefghijklmnopqrstuvwxyz0123456789"):
    return "".join(pick(alphabet) for _ in range(n))


def hexes(n):
    return letters(n, "0123456789abcdef")


def base64_noise(n):
    return base64.b64encode(R.randbytes(n)).decode()


def domain():
    return f"{pick(WORDS)}{pick(('', '-', ''))}{pick(WORDS)}.{pick(TLDS)}"


def host(d):
    return f"{pick(('mail', 'mx', 'smtp', 'mx1', 'out', 'relay', 'mta', 'mail-lf1', 'lists', 'web'))}{pick(('', '1', '2', '01'))}.{d}"


def ip():
    return pick((f"10.{R.randrange(256)}.{R.randrange(256)}.{R.randrange(1, 255)}", f"192.168.{R.randrange(4)}.{R.randrange(1, 255)}",
                 f"{R.randrange(1, 224)}.{R.randrange(256)}.{R.randrange(256)}.{R.randrange(1, 255)}"))


def date(day=None, zone=None):
    return (f"{pick(DAYS)}, {day or R.randrange(1, 29)} {pick(MONTHS)} {R.randrange(2001, 2026)} "
            f"{R.randrange(24):02}:{R.randrange(60):02}:{R.randrange(60):02} "
            f"{zone or pick(('+0000', '+0000', '+0100', '+0200', '-0400', '-0500', '-0700', '-0800', '+0530', '+0900', '+0300'))}")


def message_id(d):
    return pick((f"<{hexes(8)}-{hexes(4)}-4{hexes(3)}-a{hexes(3)}-{hexes(12)}@{d}>", f"<{R.randrange(10**13, 10**14)}.{letters(6).upper()}@{host(d)}>",
                 f"<CA{base64_noise(33)}@mail.gmail.com>", f"<{letters(10)}.{letters(6)}@{d}>", f"<2023{R.randrange(10**10)}.GA{R.randrange(9999)}@{d}>"))


def address(name, d):
    first, last = name.lower().split()
    return f"{pick((first, f'{first}.{last}', first[0] + last, last, 'info', 'noreply', 'newsletter', 'support'))}@{d}"


def mailbox(name, addr):
    return pick((f"{name} <{addr}>", f'"{name}" <{addr}>', addr, f"{addr} ({name})", f"{name} <{addr}>"))


def received(frm, to, rcpt):
    """One hop, in the words of the servers in use."""
    a, b, i = host(frm), host(to), ip()
    esmtp = pick(("ESMTP", "ESMTPS", "SMTP", "LMTP", "ESMTPSA", "ESMTP"))
    tls = pick((" (version=TLS1_3 cipher=TLS_AES_256_GCM_SHA384 bits=256/256)", "\r\n\t (using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)"
                "\r\n\t key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256)\r\n\t (No client certificate requested)", ""))
    return pick((
        f"from {a} ({a} [{i}]){tls}\r\n\tby {b} (Postfix) with {esmtp} id {hexes(10).upper()}\r\n\tfor <{rcpt}>; {date()} ({pick(('CET', 'CEST', 'UTC', 'EDT', 'PST', 'GMT', 'IST'))})",
        f"from {a} ([{i}] helo={a})\r\n\tby {b} with {esmtp.lower()} (Exim 4.96)\r\n\t(envelope-from <{address(pick(NAMES), frm)}>)\r\n\tid 1{letters(5)}-00{letters(4)}-{letters(2)}\r\n\tfor {rcpt};\r\n\t{date()}",
        f"by 2002:a05:{hexes(4)}:{hexes(3)}:b0:{hexes(3)}:{hexes(4)}:{hexes(4)} with SMTP id {letters(12)};\r\n        {date(zone='-0800')} (PST)",
        f"from {a} ({a} [{i}])\r\n\tby {b} (8.11.6/8.11.6) with {esmtp} id g{letters(6)}{R.randrange(10**6)}\r\n\tfor <{rcpt}>; {date()}",
        f"from {a} ({i}) by\r\n {b} ({ip()}) with Microsoft SMTP Server\r\n (version=TLS1_2, cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id\r\n 15.20.{R.randrange(9999)}.{R.randrange(99)}; {date(zone='+0000')}",
        f"(qmail {R.randrange(30000)} invoked from network); {date(zone='-0000')}", f"from localhost (localhost [127.0.0.1])\r\n\tby {b} (Postfix) with {esmtp} id {hexes(10).upper()}\r\n\tfor <{rcpt}>; {date()}",
        f"from {a} [{i}]\r\n\tby localhost with IMAP (fetchmail-5.9.0)\r\n\tfor {rcpt.split('@')[0]}@localhost (single-drop); {date()}",
        f"from {b}\r\n\tby {b} with LMTP\r\n\tid {base64_noise(16)}\r\n\t(envelope-from <{address(pick(NAMES), frm)}>)\r\n\tfor <{rcpt}>; {date()}",
        f"from unknown (HELO {a}) ({i})\r\n  by {b} with SMTP; {date(zone='-0000')}"))


def authentication(frm, to):
    lines = []
    if chance(70):
        lines.append(f"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/{pick(('relaxed', 'simple'))}; d={frm};\r\n\ts={pick(('default', 'selector1', 's1', 'mail', '20230601', 'k1'))}; "
                     f"t={R.randrange(1500000000, 1750000000)};{pick(('', f' x={R.randrange(1750000000, 1790000000)};'))} h=from:from:reply-to:subject:subject:date:date:message-id:message-id:\r\n\t to:to:cc:mime-version:mime-version:"
                     f"content-type:content-type:\r\n\t content-transfer-encoding:content-transfer-encoding:\r\n\t in-reply-to:in-reply-to:references:references:list-unsubscribe;\r\n\tbh={base64_noise(32)};\r\n\tb={base64_noise(48)}\r\n\t {base64_noise(48)}\r\n\t {base64_noise(48)}\r\n\t {base64_noise(40)}")
    if chance(60):
        lines.append(f"Authentication-Results: {host(to)};\r\n\tdkim=pass (2048-bit key; unprotected) header.d={frm} header.i=@{frm} header.a=rsa-sha256 header.s=default header.b={letters(8)};\r\n\t"
                     f"spf=pass ({host(to)}: domain of {address(pick(NAMES), frm)} designates {ip()} as permitted sender) smtp.mailfrom={address(pick(NAMES), frm)};\r\n\tdmarc=pass (p={pick(('NONE', 'REJECT', 'QUARANTINE'))} sp=NONE dis=NONE) header.from={frm}")
        lines.append(f"Received-SPF: pass ({host(to)}: domain of {frm} designates {ip()} as permitted sender) client-ip={ip()};")
    if chance(15):
        lines.append(f"ARC-Seal: i=1; a=rsa-sha256; t={R.randrange(1500000000, 1750000000)}; cv=none; d=google.com; s=arc-20160816;\r\n        b={base64_noise(48)}\r\n         {base64_noise(48)}")
        lines.append(f"ARC-Message-Signature: i=1; a=rsa-sha256; c=relaxed/relaxed; d=google.com; s=arc-20160816;\r\n        h=list-unsubscribe:mime-version:reply-to:date:to:from:subject:message-id\r\n         :dkim-signature;\r\n        bh={base64_noise(32)};")
    if chance(35):
        lines.append(pick((f"X-Spam-Status: No, score={R.randrange(-9, 3)}.{R.randrange(9)} required=5.0 tests=BAYES_00,DKIM_SIGNED,\r\n\tDKIM_VALID,DKIM_VALID_AU,HTML_MESSAGE,RCVD_IN_DNSWL_NONE,SPF_HELO_NONE,SPF_PASS\r\n\tautolearn=ham autolearn_force=no version=3.4.6",
                           f"X-Spam-Status: No, hits={R.randrange(-30, 4)}.{R.randrange(9)} required=7.0\r\n\ttests=AWL,EMAIL_ATTRIBUTION,IN_REP_TO,KNOWN_MAILING_LIST,\r\n\t      QUOTED_EMAIL_TEXT,REFERENCES,SPAM_PHRASE_00_01,USER_AGENT\r\n\tversion=2.50-cvs\r\nX-Spam-Level:",
                           f"X-Spamd-Result: default: False [-{R.randrange(9)}.{R.randrange(99)} / 15.00];\r\n\tR_SPF_ALLOW(-0.20)[+ip4:{ip()}];\r\n\tMIME_GOOD(-0.10)[text/plain];\r\n\tFROM_HAS_DN(0.00)[];\r\n\tTO_DN_NONE(0.00)[];\r\n\tRCVD_COUNT_TWO(0.00)[2]\r\nX-Spam-Level: ")))
    return lines


def list_headers(d):
    name, addr = pick(WORDS), pick(("users", "dev", "announce", "talk", "discuss", "bugs"))
    n = f"{name}-{addr}"
    mailman = [f"Errors-To: {n}-admin@{d}", f"X-BeenThere: {n}@{d}", f"X-Mailman-Version: {pick(('2.0.13', '2.1.39', '2.0.11', '3.3.8'))}", "Precedence: list",
               f"List-Id: {pick(('Discussion of', 'Developers of', 'The'))} {name} <{n}.{d}>",
               f"List-Unsubscribe: <https://{d}/mailman/options/{n}>,\r\n\t<mailto:{n}-request@{d}?subject=unsubscribe>",
               f"List-Archive: <http://{d}/pipermail/{n}/>", f"List-Post: <mailto:{n}@{d}>", f"List-Help: <mailto:{n}-request@{d}?subject=help>",
               f"List-Subscribe: <https://{d}/mailman/listinfo/{n}>,\r\n\t<mailto:{n}-request@{d}?subject=subscribe>", f"Sender: {n}-admin@{d}"]
    bulk = [f"List-Unsubscribe: <https://{d}/unsubscribe?u={hexes(24)}&id={hexes(10)}>, <mailto:unsubscribe@{d}?subject=unsubscribe>",
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click", f"List-ID: {hexes(25)}.list-id.{d}", "Precedence: bulk",
            f"X-Campaign: campaign{hexes(16)}", f"X-Feedback-ID: {R.randrange(10**7)}:{R.randrange(10**7)}:us1:mc", "Auto-Submitted: auto-generated"]
    ezmlm = [f"Mailing-List: contact {n}-help@{d}; run by ezmlm", "Precedence: bulk", f"List-Post: <mailto:{n}@{d}>", f"Delivered-To: mailing list {n}@{d}"]
    return n, pick((mailman, mailman, bulk, bulk, ezmlm))


def encoded_word(text):
    if text.isascii():
        return text
    return f"=?{pick(('UTF-8', 'utf-8'))}?B?{base64.b64encode(text.encode()).decode()}?=" if chance(60) else \
        f"=?utf-8?Q?{quopri.encodestring(text.encode(), header=True).decode().replace('=' + chr(10), '')}?="


def headers(language, content):
    frm, to = domain(), domain()
    sender, recipient = pick(NAMES), pick(NAMES)
    addr, rcpt = address(sender, frm), address(recipient, to)
    lines = [f"Return-Path: <{addr}>"] if chance(80) else []
    lines += [f"{pick(('Delivered-To', 'X-Original-To', 'Envelope-to'))}: {rcpt}"] if chance(60) else []
    lines += [f"Received: {received(frm if i else to, to, rcpt)}" for i in range(R.randrange(1, 6))]
    lines += authentication(frm, to)
    subject = pick(SUBJECTS[language])
    answer = chance(40)
    own = [f"From: {mailbox(sender, addr)}", f"To: {mailbox(recipient, rcpt)}", f"Date: {date()}", f"Message-ID: {message_id(frm)}",
           f"Subject: {'Re: ' if answer else pick(('', '', 'Fwd: ', '[' + pick(WORDS) + '] '))}{encoded_word(subject)}", "MIME-Version: 1.0"]
    R.shuffle(own)
    lines += own
    if answer:
        last = message_id(to)
        lines += [f"In-Reply-To: {last}", "References: " + "\r\n\t".join([message_id(to) for _ in range(R.randrange(3))] + [last])]
    if chance(25):
        lines.append("Cc: " + ",\r\n\t".join(mailbox(n, address(n, pick((frm, to)))) for n in R.sample(NAMES, R.randrange(1, 5))))
    if chance(30):
        lines.append(f"Reply-To: {mailbox(sender, addr)}")
    lines += pick(([f"User-Agent: {pick(AGENTS)}"], [f"X-Mailer: {pick(MAILERS)}"], [f"X-Mailer: {pick(MAILERS)}", "X-Priority: 3 (Normal)", "X-MSMail-Priority: Normal", "Importance: Normal",
                   "X-MimeOLE: Produced By Microsoft MimeOLE V6.00.2600.0000", f"Thread-Index: {base64_noise(22)}", "Content-Language: en-us"],
                   ["X-MS-Has-Attach: ", "X-MS-TNEF-Correlator: ", "x-ms-exchange-organization-scl: -1", "X-Originating-IP: [" + ip() + "]", "Accept-Language: de-DE, en-US", "Content-Language: de-DE"], []))
    footer = ""
    if chance(45):
        name, more = list_headers(frm)
        lines += more
        footer = f"_______________________________________________\r\n{name} mailing list\r\n{name}@{frm}\r\nhttps://{frm}/mailman/listinfo/{name}\r\n"
    return "\r\n".join(lines + content) + "\r\n", footer


VOCABULARY = {language: tuple(words.split()) for language, words in COMMON.items()}


def sentence(language):
    words = VOCABULARY[language]
    chosen = [pick(RUNS) if language == "en" and chance(35) else words[int(len(words) * R.random() ** 2)] for _ in range(R.randrange(5, 16))]
    text = " ".join(chosen)
    return text[0].upper() + text[1:] + pick((".", ".", ".", "?", "!", ",", ":"))


def paragraph(language):
    made = language in VOCABULARY
    return " ".join(sentence(language) if made and chance(75) else pick(CHATTER[language] + NOTICES[language]) for _ in range(R.randrange(2, 6)))


def wrapped(text, width=72, prefix=""):
    lines, line = [], ""
    for word in text.split(" "):
        if line and len(prefix + line) + len(word) >= width:
            lines.append(prefix + line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return "\r\n".join(lines + [prefix + line])


def plain(language):
    me, other = pick(NAMES), pick(NAMES)
    parts = [pick(GREETINGS[language]).format(other.split()[0]), ""]
    if chance(50):
        quote = pick(QUOTE_LINES[language]).format(day=R.randrange(1, 29), month=pick(MONTHS), year=R.randrange(2001, 2026), time=f"{R.randrange(24):02}:{R.randrange(60):02}", name=other, address=address(other, domain()))
        parts = [quote]
        for _ in range(R.randrange(1, 4)):
            parts += [wrapped(paragraph(language), prefix=pick(("> ", "> ", "> > ", ">> "))), pick(("", ">")), wrapped(paragraph(language)), ""]
    parts += [wrapped(paragraph(language)) + "\r\n" for _ in range(R.randrange(1, 5))]
    if chance(20):
        parts += [pick(TECHNICAL), ""]
    parts += [pick(CLOSINGS[language]), "", me]
    if chance(50):
        parts += ["-- ", me, f"{pick(('Tel', 'Phone', 'Mobile', 'Fax'))}: +{R.randrange(1, 99)} {R.randrange(10, 999)} {R.randrange(100000, 9999999)}", f"http://www.{domain()}/"]
    return "\r\n".join(parts) + "\r\n"


CSS = ("body { margin: 0; padding: 0; font-family: Arial, Helvetica, sans-serif; font-size: 14px; color: #333333; }", "a { color: #0066cc; text-decoration: none; }",
       "table { border-collapse: collapse; mso-table-lspace: 0pt; mso-table-rspace: 0pt; }", "img { border: 0; height: auto; line-height: 100%; outline: none; -ms-interpolation-mode: bicubic; }",
       "@media only screen and (max-width: 600px) { .container { width: 100% !important; } .column { display: block !important; } }",
       "p.MsoNormal, li.MsoNormal, div.MsoNormal {margin:0cm; margin-bottom:.0001pt; font-size:11.0pt; font-family:\"Calibri\",sans-serif;}",
       ".button { background-color: #1a73e8; border-radius: 4px; padding: 12px 24px; display: inline-block; }", "td { font-family: Verdana, Arial, sans-serif; font-size: 12px; vertical-align: top; }")
HEADS = ('<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">\r\n<html xmlns="http://www.w3.org/1999/xhtml">\r\n<head>\r\n<meta http-equiv="Content-Type" content="text/html; charset=utf-8" />\r\n<meta name="viewport" content="width=device-width, initial-scale=1.0" />\r\n',
         '<!DOCTYPE html>\r\n<html>\r\n<head>\r\n<meta charset="utf-8">\r\n<meta http-equiv="X-UA-Compatible" content="IE=edge">\r\n', '<html>\r\n<head>\r\n<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-1">\r\n<META content="MSHTML 6.00.2600.0" name=GENERATOR>\r\n',
         '<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.0 Transitional//EN">\r\n<HTML><HEAD>\r\n<META http-equiv=Content-Type content="text/html; charset=windows-1252">\r\n',
         '<html xmlns:v="urn:schemas-microsoft-com:vml" xmlns:o="urn:schemas-microsoft-com:office:office" xmlns:w="urn:schemas-microsoft-com:office:word" xmlns="http://www.w3.org/TR/REC-html40">\r\n<head>\r\n<meta name="Generator" content="Microsoft Word 15 (filtered medium)">\r\n')


def html(language):
    d = domain()
    out = [pick(HEADS), f"<title>{pick(SUBJECTS[language])}</title>\r\n", '<style type="text/css">\r\n' + "\r\n".join(R.sample(CSS, R.randrange(1, len(CSS)))) + "\r\n</style>\r\n" if chance(70) else "", "</head>\r\n",
           pick(('<body bgcolor="#FFFFFF" text="#000000" link="#0000FF" vlink="#800080">\r\n', '<body style="margin: 0; padding: 0; background-color: #f4f4f4;">\r\n', "<BODY bgColor=#ffffff>\r\n", '<body lang="EN-US" link="#0563C1" vlink="#954F72">\r\n'))]
    style = pick(("div", "table", "word", "old"))
    for _ in range(R.randrange(2, 9)):
        text = paragraph(language)
        if style == "div":
            out.append(pick((f'<p style="margin: 0 0 16px 0; line-height: 1.5;">{text}</p>\r\n', f'<div dir="ltr">{text}<br></div>\r\n', f"<div>{text}</div>\r\n<div><br></div>\r\n", f'<blockquote class="gmail_quote" style="margin:0 0 0 .8ex;border-left:1px #ccc solid;padding-left:1ex">\r\n{text}\r\n</blockquote>\r\n', f'<h2 style="font-size: 20px; font-weight: bold;">{pick(SUBJECTS[language])}</h2>\r\n', f"<ul>\r\n<li>{text}</li>\r\n</ul>\r\n")))
        elif style == "table":
            out.append(f'<table width="600" border="0" cellspacing="0" cellpadding="0" align="center" class="container" role="presentation">\r\n<tr>\r\n<td align="{pick(("left", "center", "right"))}" valign="top" bgcolor="#ffffff" style="padding: 20px 30px; font-family: Arial, sans-serif; font-size: 14px; line-height: 22px; color: #555555;">\r\n'
                       f'<a href="https://{d}/click?upn={letters(24)}" target="_blank" style="color: #ffffff; text-decoration: none;"><img src="https://{d}/images/{pick(WORDS)}.{pick(("png", "gif", "jpg"))}" alt="{pick(WORDS)}" width="{R.randrange(20, 600)}" height="{R.randrange(20, 300)}" border="0" style="display: block;" /></a>\r\n{text}\r\n</td>\r\n</tr>\r\n</table>\r\n')
        elif style == "word":
            out.append(f'<p class="MsoNormal"><span lang="EN-US" style="font-size:11.0pt;font-family:&quot;Calibri&quot;,sans-serif;color:#1F497D">{text}<o:p></o:p></span></p>\r\n<p class="MsoNormal"><o:p>&nbsp;</o:p></p>\r\n')
        else:
            out.append(pick((f"<P><FONT face=Arial size=2>{text}</FONT></P>\r\n", f'<p align="center"><font face="Verdana, Arial, Helvetica, sans-serif" size="2" color="#000080"><b>{text}</b></font></p>\r\n', f'<td width="100%" height="20" align="center"><font size="1">&nbsp;&nbsp;{text}<br>\r\n</font></td>\r\n</tr>\r\n<tr>\r\n', f'<a href="http://www.{d}/index.html">{text}</a><br>\r\n', f'<li><a href="http://{d}/{pick(WORDS)}/{R.randrange(10**6)}">{text}</a></li>\r\n')))
    if chance(60):
        out.append(f'<p style="font-size: 12px; color: #999999;">{pick(NOTICES[language])}<br />\r\n<a href="https://{d}/unsubscribe?id={hexes(16)}&amp;email={letters(8)}%40{d}">{pick(("Unsubscribe", "View in browser", "Privacy Policy", "Manage preferences", "Terms of Service"))}</a> | &copy; {R.randrange(2001, 2026)} {pick(WORDS).title()} {pick(("Inc.", "GmbH", "Ltd.", "S.A.", "LLC"))} All rights reserved.</p>\r\n')
    return "".join(out) + pick(("</body>\r\n</html>\r\n", "</BODY></HTML>\r\n"))


def encode(text, charset):
    """(transfer encoding, bytes) of a text part, as mail programs choose."""
    data = text.encode(charset, "replace")
    if text.isascii() and chance(65):
        return pick(("7bit", "7bit", None)), data
    if chance(20):
        b = base64.b64encode(data)
        return "base64", b"\r\n".join(b[i:i + 76] for i in range(0, len(b), 76)) + b"\r\n"
    if chance(70):
        return "quoted-printable", quopri.encodestring(data.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    return "8bit", data


def text_part(kind, language):
    """(its headers, its bytes)"""
    charset = "utf-8" if language in ("ru", "pl", "ja", "zh", "tr") or chance(60) else pick(("iso-8859-1", "us-ascii", "windows-1252", "ISO-8859-15"))
    encoding, data = encode(plain(language) if kind == "plain" else html(language), "latin-1" if charset != "utf-8" else charset)
    shown = pick((charset, f'"{charset}"', charset.upper(), f'"{charset.upper()}"'))
    lines = [f"Content-Type: text/{kind}; charset={shown}{pick(('', '', '; format=flowed' if kind == 'plain' else ''))}"]
    if encoding:
        lines.append(f"Content-Transfer-Encoding: {encoding}")
    if chance(20):
        lines.append("Content-Disposition: inline")
    return lines, data


MAGIC = {"image/png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0", "image/jpeg": b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0", "application/pdf": b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n",
         "image/gif": b"GIF89a", "application/zip": b"PK\x03\x04\x14\0\0\0\x08\0", "application/msword": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/octet-stream": b"",
         "application/vnd.openxmlformats-officedocument.wordprocessingml.document": b"PK\x03\x04\x14\0\x06\0\x08\0"}


def attachment():
    kind = pick(tuple(MAGIC))
    name = f"{pick(WORDS)}.{pick(('png', 'jpg', 'pdf', 'gif', 'zip', 'doc', 'docx', 'bin'))}"
    b = base64.b64encode(MAGIC[kind] + R.randbytes(R.randrange(60, 600)))
    return [f'Content-Type: {kind}; name="{name}"', "Content-Transfer-Encoding: base64", pick((f'Content-Disposition: attachment; filename="{name}"', f'Content-Disposition: attachment;\r\n\tfilename="{name}"; size={R.randrange(10**6)}',
            f"Content-ID: <{name}@{hexes(8)}.{hexes(8)}>\r\nContent-Disposition: inline; filename=\"{name}\""))], b"\r\n".join(b[i:i + 76] for i in range(0, len(b), 76)) + b"\r\n"


def calendar(language):
    day = f"202{R.randrange(6)}{R.randrange(1, 13):02}{R.randrange(1, 29):02}"
    text = ("BEGIN:VCALENDAR\r\nPRODID:-//Roost//Sample//EN\r\nVERSION:2.0\r\nCALSCALE:GREGORIAN\r\nMETHOD:REQUEST\r\nBEGIN:VTIMEZONE\r\nTZID:Europe/Berlin\r\nBEGIN:STANDARD\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nTZNAME:CET\r\nDTSTART:19701025T030000\r\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
            f"BEGIN:VEVENT\r\nDTSTART;TZID=Europe/Berlin:{day}T100000\r\nDTEND;TZID=Europe/Berlin:{day}T110000\r\nDTSTAMP:{day}T080000Z\r\nORGANIZER;CN={pick(NAMES)}:mailto:{address(pick(NAMES), domain())}\r\nUID:{hexes(32)}@{domain()}\r\nATTENDEE;CUTYPE=INDIVIDUAL;ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:\r\n mailto:{address(pick(NAMES), domain())}\r\n"
            f"SUMMARY:{pick(SUBJECTS[language])}\r\nLOCATION:\r\nSEQUENCE:0\r\nSTATUS:CONFIRMED\r\nTRANSP:OPAQUE\r\nBEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT15M\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n")
    return ["Content-Type: text/calendar; charset=utf-8; method=REQUEST", "Content-Transfer-Encoding: 8bit"], text.encode()


def bounce(language):
    d, rcpt = domain(), address(pick(NAMES), domain())
    text = (f"This is the mail system at host {host(d)}.\r\n\r\nYour message could not be delivered to one or more recipients.\r\nIt is attached below.\r\n\r\n<{rcpt}>: host {host(d)}[{ip()}] said: 550 5.1.1 <{rcpt}>:\r\n    Recipient address rejected: User unknown in virtual mailbox table (in reply\r\n    to RCPT TO command)\r\n")
    status = f"Reporting-MTA: dns; {host(d)}\r\nArrival-Date: {date()}\r\n\r\nFinal-Recipient: rfc822; {rcpt}\r\nOriginal-Recipient: rfc822;{rcpt}\r\nAction: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns; {host(d)}\r\nDiagnostic-Code: smtp; 550 5.1.1 <{rcpt}>: Recipient address\r\n    rejected: User unknown\r\n"
    return [(["Content-Description: Notification", "Content-Type: text/plain; charset=us-ascii"], text.encode()), (["Content-Description: Delivery report", "Content-Type: message/delivery-status"], status.encode()),
            (["Content-Description: Undelivered Message", "Content-Type: message/rfc822"], headers(language, ["Content-Type: text/plain"])[0].encode("utf-8") + b"\r\n")]


def boundary():
    return pick((f"----=_NextPart_000_{hexes(4).upper()}_01C{hexes(5).upper()}.{hexes(8).upper()}", f"------------{hexes(24)}", f"=_{hexes(32)}", f"0000000000{hexes(18)}", f"Apple-Mail-{R.randrange(99)}--{R.randrange(10**9)}", f"b1_{hexes(32)}", f"================{R.randrange(10**18)}=="))


def message():
    language = pick(("en",) * 10 + ("de", "de", "fr", "fr", "es", "es", "it", "pt", "nl", "pl", "ru", "tr", "ja", "zh"))
    shape = R.randrange(100)
    if shape < 50:
        lines, data = text_part("plain" if shape < 35 else "html", language)
        head, footer = headers(language, lines)
        return head.encode() + b"\r\n" + data + (footer.encode() if lines[0].startswith("Content-Type: text/plain") else b"")
    alternative = [text_part("plain", language), text_part("html", language)]
    kind, parts = ("alternative", alternative) if shape < 75 else ("mixed", [text_part("plain", language), attachment()]) if shape < 85 else \
        ("mixed", [alternative[0], calendar(language)]) if shape < 88 else ("report; report-type=delivery-status", bounce(language)) if shape < 92 else ("related", [alternative[1], attachment()])
    mark = boundary()
    head, _ = headers(language, [f'Content-Type: multipart/{kind};{pick((" ", chr(13) + chr(10) + chr(9)))}boundary="{mark}"'])
    body = pick((b"This is a multi-part message in MIME format.\r\n", b"", b""))
    for lines, data in parts:
        body += f"--{mark}\r\n".encode() + "\r\n".join(lines).encode() + b"\r\n\r\n" + data + b"\r\n"
    return head.encode() + b"\r\n" + body + f"--{mark}--\r\n".encode()


def main():
    with tempfile.TemporaryDirectory() as folder:
        for i in range(SAMPLES):
            (pathlib.Path(folder) / f"{i:05}").write_bytes(message()[:65536])
        subprocess.run(["zstd", "-q", "--train", "-r", folder, f"--maxdict={DICTIONARY_BYTES}", "--dictID=1", "-o", sys.argv[1]], check=True)


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "--show":
        for _ in range(int(sys.argv[2])):
            sys.stdout.buffer.write(message() + b"\r\n")
    elif len(sys.argv) == 2:
        main()
    else:
        sys.exit(__doc__)
