"""What the command says to people, in Vietnamese and English; the locale chooses."""

from __future__ import annotations

import os

TEXTS: dict[str, tuple[str, str]] = {
    "about": (
        "Tác tử Liên Phòng: báo cáo tình trạng và sự kiện an ninh của máy này về máy thu thập.",
        "The Lien Phong agent: reports this machine's condition and security events to a collector.",
    ),
    "first_steps": (
        "Bắt đầu:\n"
        "  1. xin tệp mã ghi danh ở máy thu thập (lienphong-collector token create)\n"
        "  2. lienphong-agent enrol --data /var/lib/lp-agent --collector https://TEN:7444 --token-file TEP\n"
        "  3. lienphong-agent run --data /var/lib/lp-agent\n"
        "  4. lienphong-agent status --data /var/lib/lp-agent",
        "First steps:\n"
        "  1. get an enrolment token file from the collector (lienphong-collector token create)\n"
        "  2. lienphong-agent enrol --data /var/lib/lp-agent --collector https://NAME:7444 --token-file FILE\n"
        "  3. lienphong-agent run --data /var/lib/lp-agent\n"
        "  4. lienphong-agent status --data /var/lib/lp-agent",
    ),
    "data": ("thư mục dữ liệu của tác tử", "the agent's data directory"),
    "config": ("tệp cấu hình (mặc định: DATA/agent.yaml)", "configuration file (default: DATA/agent.yaml)"),
    "format": ("dạng kết quả", "form of the output"),
    "run": ("chạy tác tử (Ctrl-C hoặc SIGTERM để dừng)", "run the agent (Ctrl-C or SIGTERM stops it)"),
    "enrol": ("ghi danh máy này với máy thu thập", "enrol this machine with a collector"),
    "status": ("tình trạng của tác tử đang chạy", "the condition of the running agent"),
    "sensors": ("cảm biến nào chạy được trên máy này", "which sensors work on this machine"),
    "collector": ("cổng ghi danh của máy thu thập: https://TEN:7444", "the enrolment door: https://NAME:7444"),
    "token_file": (
        "tệp chứa mã ghi danh; - đọc từ đầu vào chuẩn (không bao giờ đặt mã trên dòng lệnh)",
        "file with the enrolment token; - reads standard input (never on the command line)",
    ),
    "force": ("thay danh tính hiện có của máy này", "replace this machine's present identity"),
    "enrolled": (
        "Đã ghi danh: tác tử {agent}, nút {node} ({label}).\nTiếp theo: lienphong-agent run --data {data}",
        "Enrolled as agent {agent}, node {node} ({label}).\nNext: lienphong-agent run --data {data}",
    ),
    "not_running": ("tác tử không chạy", "the agent is not running"),
    "agent": ("Tác tử", "Agent"),
    "node": ("Nút", "Node"),
    "state": ("Trạng thái", "State"),
    "door": ("Máy thu thập", "Collector"),
    "delivered": ("Gửi lần cuối", "Last delivery"),
    "problem": ("Trục trặc", "Problem"),
    "next_try": ("Thử lại lúc", "Next try"),
    "certificate": ("Chứng thư đến", "Certificate until"),
    "waiting": ("Chờ gửi", "Waiting"),
    "waiting_value": ("{events} sự kiện, {bytes} / {max}", "{events} events, {bytes} of {max}"),
    "lost": ("Mất", "Lost"),
    "clock": ("Lệch đồng hồ", "Clock offset"),
    "never": ("chưa có", "never"),
    "sensor": ("CẢM BIẾN", "SENSOR"),
    "works": ("CHẠY ĐƯỢC", "WORKS"),
    "events": ("SỰ KIỆN", "EVENTS"),
    "why": ("GHI CHÚ", "WHY"),
    "fix": ("CÁCH SỬA", "FIX"),
    "yes": ("có", "yes"),
    "no": ("không", "no"),
}


def vietnamese() -> bool:
    """Whether the locale (locale(7)) asks for Vietnamese."""
    chosen = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return chosen.lower().startswith("vi")


def say(name: str, **values: object) -> str:
    """The text of this name in the person's language."""
    vi, en = TEXTS[name]
    return (vi if vietnamese() else en).format(**values)
