"""What people read in place of the names of systems, measures, statuses and forms."""

from __future__ import annotations

SYSTEMS = {
    "plain": "词面：普通分词",
    "sparse": "词面：词、同义词、字串",
    "dense": "向量",
    "fused": "合并（实际作答）",
}
MEASURES = {
    "hit@1": "第一段就对",
    "hit@3": "前三段有对的",
    "recall@5": "召回率",
    "recall@10": "召回率",
    "recall@30": "召回率",
    "recall@100": "召回率",
    "MRR@10": "名次倒数",
    "nDCG@10": "排序质量",
}
STATUSES = {"answered": "已回答", "uncertain": "不确定", "unanswered": "不答"}
KINDS = {
    "answerable": "指引能回答的",
    "unanswerable": "指引不能回答的",
    "near": "不能回答：领域相近",
    "far": "不能回答：毫不相干",
}
FORMS = {
    "traditional": "繁体字",
    "full_width": "全角字符",
    "homophone": "同音错字",
    "shape": "形近错字",
    "missing": "漏一个字",
    "doubled": "重一个字",
    "spaced": "字间加空格",
    "pinyin": "一个词打成拼音",
    "story": "夹在长故事里",
    "filler": "前后有客套话",
    "two": "两个问题一起问",
    "typed": "真人手打",
}
